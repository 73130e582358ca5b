"""A process that answers requests in greenlets. Run by ``test_gevent.py``; prints what it saw."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent.lock import Semaphore  # noqa: E402


def main() -> None:
    import django

    django.setup()
    from django.db import connection
    from django.http import HttpRequest, HttpResponse, QueryDict

    from kck_publish.capture import own_request_writes
    from kck_publish.reading import request_memo
    from kck_publish.request import GlobalRequestMiddleware, ReadYourWritesMiddleware, get_request
    from tests.catalog.models import Author, Item
    from tests.catalog.primers import ItemTotal

    author = Author.objects.create(slug="a")
    running, most, rows = 0, 0, []
    lock = Semaphore(1)
    said: dict[str, Any] = {"own": [], "same": [], "amounts": [], "tokens": []}

    def view(request: HttpRequest) -> HttpResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        group = int(request.GET["group"])
        row = Author.cached.get(pk=author.pk)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.2)")  # the others run meanwhile
        rows.append(row)
        gevent.sleep(0.01)
        same = Author.cached.get(pk=author.pk) is Author.cached.get(pk=author.pk)
        with lock:  # the writers of one table need not wait for each other, the test is of contexts
            Item.objects.filter(group=group).update(amount=group + 100)
        gevent.sleep(0.01)
        said["own"].append(get_request() is request)
        said["same"].append(same)
        running -= 1
        return HttpResponse(str(ItemTotal.cached.get(group=group)["amount"]))

    answer = ReadYourWritesMiddleware(GlobalRequestMiddleware(view))

    def one(group: int) -> tuple[int, int]:
        request = HttpRequest()
        request.GET = QueryDict(f"group={group}")
        try:
            response = answer(request)
            return int(response.content), len(response.cookies)
        finally:
            connection.close()

    found = [one.get(timeout=30) for one in [gevent.spawn(one, group) for group in range(10)]]
    said["amounts"] = [amount for amount, _ in found]
    said["tokens"] = [tokens for _, tokens in found]
    said["rows"] = len({id(row) for row in rows})
    said["overlapping"] = most > 1
    said["others"] = gevent.spawn(ItemTotal.cached.get, group=0).get(timeout=30)["amount"]
    said["left"] = (request_memo.current() is not None) + (own_request_writes.current() is not None)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
