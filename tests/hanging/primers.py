"""Products that hang as the table ``hanging`` says, one after another way; known to some processes.

See ``tests.acceptance.test_hanging``.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.db import connection

from kck_publish import Depends, IntegerParameter, Primer, Retry
from kck_publish.postgres import connect
from tests.catalog.models import Item

# Held by a test that wants the compute of ``Lasting`` to wait.
LOCK = 78
ON = Depends(Item, n="group", columns=["amount"])


def _query() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(600)")


def _socket() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.recv(1)


def _loop() -> None:
    while True:
        pass


WAYS: dict[str, Callable[[], None]] = {"query": _query, "socket": _socket, "loop": _loop}


def _way(n: int) -> str | None:
    with connect("default") as own:
        row = own.execute("SELECT how FROM hanging WHERE n = %s", [n]).fetchone()
    return str(row[0]) if row else None


def _amount(n: int) -> int:
    return int(sum(Item.objects.filter(group=n).values_list("amount", flat=True)))


class Hanging(Primer):
    key = "hanging"
    parameters = (IntegerParameter("n"),)
    depends_on = (ON,)
    eager = True
    time_limit = timedelta(seconds=1)
    retry = Retry(max_retries=-1, delay=timedelta(seconds=0.2), backoff=False)

    def compute(self, n: int) -> int:
        WAYS.get(_way(n) or "", int)()
        return _amount(n)

    def domain(self) -> Iterable[dict[str, Any]]:
        return [{"n": n} for n in (1, 2, 3)]


class Together(Hanging):
    key = "hanging_together"

    def compute_many(self, parameters: Iterable[dict[str, Any]]) -> list[int]:
        return [self.compute(**one) for one in parameters]


class Asynchronous(Hanging):
    key = "hanging_async"

    async def compute(self, n: int) -> int:  # type: ignore[override]
        if _way(n) is not None:
            await asyncio.sleep(600)
        return sum(
            [one async for one in Item.objects.filter(group=n).values_list("amount", flat=True)]
        )


class Lasting(Primer):
    key = "lasting"
    depends_on = (Depends(Item, columns=["amount"]),)
    eager = True
    time_limit = timedelta(seconds=60)

    def compute(self) -> int:
        with connect("default") as own:
            own.execute("INSERT INTO hanging (how) VALUES ('lasting')")
            own.execute("SET lock_timeout = 0")
            own.execute("SELECT pg_advisory_lock_shared(%s)", [LOCK])
        return int(sum(Item.objects.values_list("amount", flat=True)))
