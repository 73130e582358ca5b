"""Commit to readable in the near store of the same host, at a steady rate. Part of ``push``.

Single rows are changed, each by a transaction of its own, and all of them are held by the near
store; a thread looks there, as a reader would, until each has its new value. Each rate has several
rounds, in turn, and the figure is the median of the rounds' quantiles.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import psycopg

from benchmarks.figures import in_turn, markdown, median, quantile, short, target
from benchmarks.near import near_store

RATES = (200, 1_000)
HELD = 5_000
TABLE, PRODUCT = "benchmarks_leaflet", "benchmarks.leaflet"
ROUNDS = int(os.environ.get("KCK_BENCH_PUSH_ROUNDS", "3"))
SECONDS = float(os.environ.get("KCK_BENCH_SECONDS", "5"))
PATIENCE = float(os.environ.get("KCK_BENCH_PATIENCE", "60"))
# Between two looks, in seconds: without it the looks take one of the two cores.
PAUSE = 0.0002


class Watch(threading.Thread):
    """Looks when the values that were written can be read.

    Args:
        path: of the near store.
    """

    def __init__(self, path: str) -> None:
        from kck_publish.products import registry
        from kck_publish.stores.near.reader import reader

        super().__init__(daemon=True)
        self._near = reader(path)
        self._fingerprint = registry.graph().products[PRODUCT].fingerprint
        self._waits: dict[int, tuple[bytes, float]] = {}
        self._ended = False
        self.took: list[float] = []

    def hold(self, pks: Sequence[int]) -> None:
        """Have the near store hold these."""
        end = time.monotonic() + PATIENCE
        while missing := [pk for pk in pks if self._read(pk) is None]:
            if time.monotonic() > end:
                raise TimeoutError(f"the near store does not hold {len(missing)} rows")
            for pk in missing[:200]:
                self._near.ask(f"{PRODUCT}/{pk}", self._fingerprint)
            time.sleep(0.01)

    def expect(self, pk: int, number: int, at: float) -> None:
        """The row has this number of pages since then."""
        self._waits[pk] = (f",{number},".encode(), at)

    def run(self) -> None:
        """Look again and again, until all that was expected has been seen."""
        while self._waits or not self._ended:
            for pk, (wanted, at) in list(self._waits.items()):
                if wanted in (self._read(pk) or b""):
                    self.took.append(time.monotonic() - at)
                    del self._waits[pk]
            time.sleep(PAUSE)

    def _read(self, pk: int) -> bytes | None:
        found = self._near.get(f"{PRODUCT}/{pk}", self._fingerprint)
        return None if found is None else found.body

    def end(self) -> list[float]:
        """All was written: the seconds that each took, infinite where it was not seen in time."""
        self._ended = True
        self.join(PATIENCE)
        return [*self.took, *(float("inf") for _ in list(self._waits))]


_last = [100_000]


def latencies(writer: psycopg.Connection[Any], path: str, rate: int) -> list[float]:
    """Seconds from the commit's return to readable, of as many changes a second."""
    watch = Watch(path)
    watch.start()
    start = time.monotonic()
    for turn in range(int(rate * SECONDS)):
        time.sleep(max(0.0, start + turn / rate - time.monotonic()))
        _last[0] += 1
        pk = turn % HELD + 1
        writer.execute(f"UPDATE {TABLE} SET pages = {_last[0]} WHERE id = {pk}")
        watch.expect(pk, _last[0], time.monotonic())
    return watch.end()


def report(writer: psycopg.Connection[Any]) -> None:
    """The part of ``push``."""
    with near_store() as path:
        if path is None:
            return
        writer.execute(f"UPDATE {TABLE} SET pages = pages + 1 WHERE id <= {HELD}")
        Watch(path).hold(range(1, HELD + 1))
        rounds: dict[int, list[list[float]]] = {rate: [] for rate in RATES}

        def run(rate: int) -> float:
            rounds[rate].append(latencies(writer, path, rate))
            return median(rounds[rate][-1])

        in_turn({str(rate): partial(run, rate) for rate in RATES}, ROUNDS)
    rows = []
    for rate, found in rounds.items():
        parts = [median([quantile(one, part) for one in found]) * 1e3 for part in (0.5, 0.99, 1.0)]
        late = sum(one == float("inf") for some in found for one in some)
        name = "kck_publish, readable in the near store"
        rows.append([name, f"{rate:,}", *map(short, parts), str(late)])
        p50, p99, _ = parts
        if rate == RATES[0]:
            target(f"near store, {rate:,} changes/s, p50", "<= 5 ms", p50, " ms", p50 <= 5)
            target(f"near store, {rate:,} changes/s, p99", "<= 30 ms", p99, " ms", p99 <= 30)
        else:
            target(f"near store, {rate:,} changes/s, p99", "<= 100 ms", p99, " ms", p99 <= 100)
    markdown([["commit to readable", "changes/s", "p50 ms", "p99 ms", "worst", "not seen"], *rows])
