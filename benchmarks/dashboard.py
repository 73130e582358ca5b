"""The dashboard over 1,000,000 entries and 200 products: time, queries and bytes of each page.

``python -m benchmarks.dashboard``. The history is of a day in which each product worked each
minute, and of thirty days of batches. The entries are made by SQL: nobody reads their values here.
"""

from __future__ import annotations

import time
from statistics import median
from types import SimpleNamespace
from typing import Any

from django.test import RequestFactory
from django.urls import include, path

from benchmarks.figures import target
from benchmarks.world import world

PRODUCTS, ENTRIES, REPEATS = 200, 1_000_000, 15
urlpatterns: list[Any] = []
READER = SimpleNamespace(
    is_authenticated=True,
    is_active=True,
    is_staff=False,
    is_superuser=True,
    has_perm=lambda name: True,
)
_ENTRIES = """
INSERT INTO kck_publish_entry
       (digest, fingerprint, key, product, bucket, body, stamp, by, seconds)
SELECT md5(n::text)::uuid, 'f', format('board_%%s/%%s', to_char(n %% %(products)s, 'FM000'), n),
       format('board_%%s', to_char(n %% %(products)s, 'FM000')), n,
       convert_to(repeat(md5(n::text), 6), 'UTF8'), pg_current_snapshot(), 'listener', 0.01
  FROM generate_series(1, %(entries)s) n
"""
_HISTORY = """
INSERT INTO kck_publish_history
       (product, minute, refreshed, unchanged, failed, seconds, seconds_max, bytes, lagged, waiting,
        waiting_max, computing, computing_max)
SELECT format('board_%%s', to_char(product, 'FM000')),
       date_trunc('minute', now()) - make_interval(mins => ago), 20, 5, 0, 0.5, 0.1, 9000, 25, 0.2,
       0.1, 0.5, 0.1
  FROM generate_series(0, %(products)s - 1) product, generate_series(1, 1440) ago
"""
_BATCHES = """
INSERT INTO kck_publish_history
       (product, minute, refreshed, changes, batches, seconds, lagged, waiting, computing)
SELECT '', date_trunc('minute', now()) - make_interval(mins => ago), 4000, 4000, 60, 30, 60, 3, 9
  FROM generate_series(1, 30 * 1440) ago
"""


def main() -> None:
    """Fill, look at each page, print."""
    with world("dashboard: 1,000,000 entries, 200 products, a day of history"):
        from django.conf import settings
        from django.db import connection

        settings.ROOT_URLCONF = __name__
        urlpatterns.append(path("kck/", include("kck_publish.dashboard.urls")))
        declare()
        fill(connection)
        for page in (
            "",
            "?period=24h",
            "?period=30d",
            "products/",
            "products/board_007/",
            "graph/",
        ):
            for data in (False, True):
                address, _, query = page.partition("?")
                _measure(f"{address}{'data.json' if data else ''}{'?' if query else ''}{query}")


def fill(connection: Any) -> None:
    """Entries and history of the products, by SQL."""
    with connection.cursor() as cursor:
        for statement in (_ENTRIES, _HISTORY, _BATCHES):
            cursor.execute(statement, {"products": PRODUCTS, "entries": ENTRIES})
        cursor.execute("VACUUM ANALYZE kck_publish_entry, kck_publish_history")


def declare() -> None:
    """The products."""
    from benchmarks.models import Author
    from kck_publish import primer

    for number in range(PRODUCTS):
        primer(f"board_{number:03}/<int:number>", depends_on=[Author])(_compute)


def _compute(number: int) -> int:
    return number


def _measure(page: str) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.urls import resolve

    took: list[float] = []
    for _ in range(REPEATS):
        request = RequestFactory().get(f"/kck/{page}")
        request.user = READER  # type: ignore[assignment]
        found = resolve(request.path)
        with CaptureQueriesContext(connection) as queries:
            begin = time.perf_counter()
            answer: Any = found.func(request, *found.args, **found.kwargs)
            took.append(time.perf_counter() - begin)
        assert answer.status_code == 200, page
    size = len(answer.content)
    sql = float(queries.captured_queries[0]["time"])
    ms = median(took) * 1000
    note = f" ms, of them {sql * 1000:.0f} in {len(queries)} query; {size / 1000:.0f} kB"
    target(f"/kck/{page}", "200 ms", ms, note, ms < 200)


if __name__ == "__main__":
    main()
