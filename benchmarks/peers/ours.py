"""kck_publish: ``.cached``, over the store that the process's settings name.

The keys are read once before: from then on the store has them, as it has when a listener runs.
With NEAR they are read until no query is made any more: the near store holds what is read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

from benchmarks.models import Book
from benchmarks.peers import (
    BYTES,
    DECODED,
    HUNDRED,
    MANY,
    NEAR,
    ONE,
    PAGE,
    PKS,
    POSTGRES,
    PREPARED,
    REDIS,
    Contestants,
    some,
)
from benchmarks.primers import AuthorPage

OURS = {"postgres": POSTGRES, "prepared": PREPARED, "redis": REDIS, "near": NEAR}
PATIENCE = 60.0


def contestants() -> Contestants:
    """What is measured."""
    kind = os.environ["KCK_BENCH_KIND"]
    name, pk = OURS[kind], some()
    found: Contestants = {
        ONE: {name: lambda: Book.cached.get(pk=pk())},
        MANY: {name: lambda: Book.cached.in_bulk(HUNDRED)},
        BYTES: {name: lambda: AuthorPage.cached.get_bytes(author=PAGE)},
        DECODED: {name: lambda: AuthorPage.cached.get(author=PAGE)},
    }

    def everything() -> None:
        for one in PKS:
            Book.cached.get(pk=one)
        for task in (MANY, BYTES, DECODED):
            found[task][name]()

    everything()
    if kind == "near":
        until_quiet(everything)
    return found


def until_quiet(read: Callable[[], object]) -> None:
    """Read until that makes no query.

    Raises:
        TimeoutError: it does after a minute.
    """
    end = time.monotonic() + PATIENCE
    asked = [0]

    def count(execute: Any, *arguments: Any) -> Any:
        asked[0] += 1
        return execute(*arguments)

    while True:
        asked[0] = 0
        with connection.execute_wrapper(count):
            read()
        if not asked[0]:
            return
        if time.monotonic() > end:
            raise TimeoutError(f"the near store lets {asked[0]} queries through")
        time.sleep(0.05)
