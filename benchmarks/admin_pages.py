"""The admin over 1,000,000 entries and 200 products: time and queries of each page.

``python -m benchmarks.admin_pages``. The entries and the history are those of ``dashboard``; 20,000
keys fail. Each page is asked for by Django's test client, by a superuser who is logged in.
"""

from __future__ import annotations

import os
import re
import time
from statistics import median
from typing import Any
from urllib.parse import quote as quoted

from benchmarks import dashboard
from benchmarks.figures import target
from benchmarks.world import world

REPEATS, FAILING = 15, 20_000
ENTRIES = "storedkey/"
_FAILURES = """
INSERT INTO kck_publish_failure
       (digest, fingerprint, key, product, bucket, due_at, error, message, traceback)
SELECT digest, fingerprint, key, product, bucket, CASE WHEN bucket %% 2 = 0 THEN now() END,
       'builtins.KeyError', 'a key', repeat('Traceback (most recent call last)', 40)
  FROM kck_publish_entry LIMIT %s
"""
_BEHIND = """
UPDATE kck_publish_entry e SET behind = true FROM kck_publish_failure f WHERE e.digest = f.digest
"""


def main() -> None:
    """Fill, look at each page, print."""
    os.environ["KCK_BENCH_ADMIN"] = "1"
    with world("admin: 1,000,000 entries, 200 products, 20,000 failing keys"):
        from django.conf import settings
        from django.contrib import admin
        from django.contrib.admin.utils import quote
        from django.contrib.auth.models import User
        from django.db import connection
        from django.test import Client
        from django.urls import path

        from kck_publish import Cache

        settings.ROOT_URLCONF = __name__
        urlpatterns.append(path("admin/", admin.site.urls))
        dashboard.declare()
        dashboard.fill(connection)
        with connection.cursor() as cursor:
            cursor.execute(_FAILURES, [FAILING])
            cursor.execute(_BEHIND)
            cursor.execute("VACUUM ANALYZE kck_publish_entry, kck_publish_failure")
        Cache.get_instance().get("board_007/7")
        client = Client()
        client.force_login(User.objects.create_superuser("ops"))
        key = f"{ENTRIES}{quoted(quote('board_007/7'))}/"
        first_page = client.get(f"/admin/kck_publish/{ENTRIES}").content.decode()
        (next_page,) = re.findall('<a href="([^"]+)" rel="next"', first_page)
        for page in (
            *("product/", "product/?period=day", "product/?o=keys"),
            *(ENTRIES, f"{ENTRIES}{next_page}", f"{ENTRIES}?product=board_007"),
            *(f"{ENTRIES}?q=board_007/7", f"{ENTRIES}?q=board_0*", f"{ENTRIES}?state=behind"),
            *(f"{ENTRIES}?state=hand", f"{ENTRIES}?product=board_007&state=behind"),
            *("failedkey/", "failedkey/?product=board_007", "listener/"),
            *(f"{key}change/", f"{key}history/", f"{key}value/"),
        ):
            _measure(client, connection, page)


urlpatterns: list[Any] = []


def _measure(client: Any, connection: Any, page: str) -> None:
    from django.test.utils import CaptureQueriesContext

    took: list[float] = []
    asked: list[float] = []
    for _ in range(REPEATS):
        with CaptureQueriesContext(connection) as queries:
            begin = time.perf_counter()
            answer = client.get(f"/admin/kck_publish/{page}")
            took.append(time.perf_counter() - begin)
        assert answer.status_code == 200, page
        asked.append(sum(float(query["time"]) for query in queries.captured_queries))
    milliseconds, count = median(took) * 1000, len(queries)
    note = f" ms, of them {median(asked) * 1000:.0f} in {count} queries"
    fast = milliseconds < 300 and count <= 5
    target(page.partition("&after")[0][:60], "300 ms, 5 queries", milliseconds, note, fast)


if __name__ == "__main__":
    main()
