"""What it costs to be seen: history, Prometheus and OpenTelemetry, in processor time.

1. A drain of ``ROWS`` changed rows, in this process: without the tallies of the history, with them
   and one write of the minute, and with each kind of receivers beside. A batch of one row likewise.
2. Reads of the near store, as a request makes them: ``READS`` of them, and then what was counted is
   handed to Prometheus.

Processor time of this process alone, in turn: what else the machine does is in none of it, and the
server's part is the same for all.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

from benchmarks.batches import Batches
from benchmarks.figures import in_turn, ratio, short, table, target
from benchmarks.filling import fill
from benchmarks.near import near_store
from benchmarks.world import world

ROWS, READS, REQUESTS = 2_000, 10, 400
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "15"))
OFF, HISTORY, ALL = "nothing", "history", "history, Prometheus and OpenTelemetry"
Seen = AbstractContextManager[Callable[[Any], object]]


def main() -> None:
    """Measure and print."""
    title = "operating: processor time of the listener and of reads"
    with world(title) as found, found.connect() as raw:
        fill(raw, ["leaflet"], ROWS)
        batches = Batches()
        batches.next()
        _drains("a drain of 2,000 rows", raw, batches, ROWS)
        _drains("twenty batches of one row", raw, batches, 1, 20)
        batches.close()
        with near_store() as path:
            if path:
                _reads(path)


def _drains(title: str, raw: Any, batches: Batches, rows: int, times: int = 1) -> None:
    ways: dict[str, Callable[[], Seen]] = {
        OFF: _nothing,
        HISTORY: _history,
        "history and Prometheus": partial(_receiving, ["prometheus"]),
        ALL: partial(_receiving, ["prometheus", "opentelemetry"]),
    }

    def run(way: Callable[[], Seen]) -> float:
        with way() as note, _uncollected():
            spent = 0.0
            for _ in range(times):
                raw.execute(
                    "UPDATE benchmarks_leaflet SET pages = pages + 1 WHERE id <= %s", [rows]
                )
                start = time.process_time()
                note(batches.next())
                spent += time.process_time() - start
        return spent

    contestants = {name: partial(run, way) for name, way in ways.items()}
    for contestant in contestants.values():
        contestant()
    figures = in_turn(contestants, ROUNDS)
    print(f"   {title}, over {ROUNDS} rounds")
    table(figures, "ms", 1e3, OFF)
    for name in (HISTORY, ALL):
        print(f"   {title}, {name}: {short(ratio(figures[name], figures[OFF]))} of {OFF}")


@contextmanager
def _uncollected() -> Iterator[None]:
    """No run of the garbage collector, which is long and may fall to anybody's share."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _nothing() -> Iterator[Callable[[Any], object]]:
    """Not even counted."""
    with patch("kck_publish.refresh.chunk_writes.count"):
        yield lambda outcome: None


@contextmanager
def _history() -> Iterator[Callable[[Any], object]]:
    """Counted and kept as a listener does, and written once a round, as if a minute was over."""
    from kck_publish.listener.maintenance.history import History
    from kck_publish.postgres import connect

    desk = connect("default")
    history = History(desk, {})  # of no shard: it does not trim
    yield lambda outcome: history.add(outcome.tallies)
    history.close()
    desk.close()


@contextmanager
def _receiving(kinds: list[str]) -> Iterator[Callable[[Any], object]]:
    """History, and the receivers of metrics; and spans."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    from kck_publish.contrib.opentelemetry import instrument, uninstrument
    from kck_publish.contrib.prometheus.listener import ListenerMetrics

    metrics = ListenerMetrics("default")
    metrics.connect()
    if "opentelemetry" in kinds:
        instrument(TracerProvider(), MeterProvider())  # recorded, and exported to nobody
    try:
        with _history() as note:
            yield note
    finally:
        metrics.disconnect()
        if "opentelemetry" in kinds:
            uninstrument()


def _reads(path: str) -> None:
    from django.conf import settings
    from django.test import override_settings

    from benchmarks.models import Leaflet
    from kck_publish.contrib.prometheus import count_reads
    from kck_publish.contrib.prometheus.reads import _finished
    from kck_publish.reading.counts import counts

    def run(after: Callable[[], object]) -> float:
        start = time.process_time()
        for request in range(REQUESTS):
            for read in range(READS):
                Leaflet.cached.get(pk=(request * READS + read) % 500 + 1)
            after()
        return (time.process_time() - start) / (REQUESTS * READS)

    given: dict[str, Any] = settings.KCK_PUBLISH  # type: ignore[misc]
    with override_settings(KCK_PUBLISH={**given, "NEAR": path}):
        count_reads()
        end = time.monotonic() + 60
        while True:  # until all are held near
            before = counts.by_tier().get("near", 0)
            run(lambda: None)
            if counts.by_tier().get("near", 0) - before >= REQUESTS * READS:
                break
            assert time.monotonic() < end, "the near store does not hold them"
            time.sleep(0.1)
        contestants = {OFF: partial(run, lambda: None), "reads counted": partial(run, _finished)}
        figures = in_turn(contestants, 2 * ROUNDS)
    print(f"   a near read, {READS} to a request, over {2 * ROUNDS} rounds")
    table(figures, "us", 1e6, OFF)
    found = ratio(figures["reads counted"], figures[OFF])
    target("a near read, counted, to not", "<= 1.02", found, met=found <= 1.02)


if __name__ == "__main__":
    main()
