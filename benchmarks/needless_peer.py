"""One contestant of ``needless``, in a process of its own: prints its figures as JSON.

After each write all values are read, and compared with what the database says without any cache.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

READ = range(1, 11)
Ask = Callable[[int], Any]


class Peer(Protocol):
    """How querysets are cached.

    Attributes:
        computed: how many values were computed, or amended, so far.
    """

    computed: int

    def refresh(self) -> None:
        """Handle what was written, if that is done at all before somebody reads."""

    def read(self, name: str, ask: Ask, author: int) -> list[Any]:
        """The rows of a queryset."""
        ...

    def uncached(self) -> Any:
        """Within, no cache answers."""


class Ours:
    """Products, kept up by batches in this process."""

    def __init__(self) -> None:
        from benchmarks.batches import Batches

        self._batches, self.computed = Batches(), 0

    def refresh(self) -> None:
        """A listener's batch."""
        done = self._batches.next()
        self.computed += done.primed + done.augmented + done.unchanged + done.removed

    def read(self, name: str, ask: Ask, author: int) -> list[Any]:
        """From the store."""
        from benchmarks.needless_querysets import name_of
        from kck_publish import Cache

        value: list[Any] = Cache.get_instance().get(f"{name_of(name)}/{author}")
        return value

    def uncached(self) -> Any:
        """Querysets themselves are not cached."""
        return nullcontext()


class Cacheops:
    """Each queryset by ``@cached_as`` of itself: it finds the conditions to invalidate by."""

    def __init__(self) -> None:
        self.computed = 0

    def refresh(self) -> None:
        """Its signals have done it."""

    def read(self, name: str, ask: Ask, author: int) -> list[Any]:
        """From Redis, or the database."""
        from cacheops import cached_as

        rows = ask(author)

        @cached_as(rows, extra=(name, author), timeout=3600)  # type: ignore[untyped-decorator, unused-ignore]
        def compute() -> list[Any]:
            self.computed += 1
            return list(rows)

        value: list[Any] = compute()
        return value

    def uncached(self) -> Any:
        """Only what is asked for is cached."""
        return nullcontext()


class Cachalot:
    """The ORM's own queries, as its patches cache them."""

    def __init__(self) -> None:
        self.computed = 0

    def refresh(self) -> None:
        """Its patches have done it."""

    def read(self, name: str, ask: Ask, author: int) -> list[Any]:
        """From Redis, or the database."""
        from django.db import connection

        def count(execute: Any, *arguments: Any) -> Any:
            self.computed += 1
            return execute(*arguments)

        with connection.execute_wrapper(count):
            return list(ask(author))

    @contextmanager
    def uncached(self) -> Iterator[None]:
        """Its own way to do without it."""
        from cachalot.api import cachalot_disabled

        with cachalot_disabled():
            yield


PEERS: dict[str, type[Any]] = {"": Ours, "cacheops": Cacheops, "cachalot-redis": Cachalot}


def main(peer: str, number: int) -> None:
    """Write so many times, and print what became of it."""
    import django

    django.setup()
    from benchmarks.needless_querysets import QUERYSETS
    from benchmarks.needless_writes import Writes

    contestant: Peer = PEERS[peer]()
    writes = Writes(seed=11)
    keys = [(name, ask, author) for name, ask in QUERYSETS.items() for author in READ]
    contestant.refresh()
    with contestant.uncached():
        truth = {(name, author): list(ask(author)) for name, ask, author in keys}
    for name, ask, author in keys:
        contestant.read(name, ask, author)
    contestant.refresh()
    contestant.computed = 0
    figures: dict[str, Any] = {"needed": 0, "stale": 0, "reads": 0, "write": [], "until": []}
    for _ in range(number):
        with contestant.uncached():
            write = writes.next()
        start = time.perf_counter()
        write()
        figures["write"].append(time.perf_counter() - start)
        contestant.refresh()
        found = {(name, author): contestant.read(name, ask, author) for name, ask, author in keys}
        figures["until"].append(time.perf_counter() - start)
        with contestant.uncached():
            now = {(name, author): list(ask(author)) for name, ask, author in keys}
        figures["needed"] += sum(sorted(now[key]) != sorted(truth[key]) for key in now)
        figures["stale"] += sum(sorted(found[key]) != sorted(now[key]) for key in now)
        figures["reads"] += len(keys)
        truth = now
    json.dump({**figures, "computed": contestant.computed}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
