"""Shards: refreshes a second of 1, 2, 4 and 8 listeners, each of which owns one shard.

On one host, where they share its processors; and as if each had a host of its own: its computes
wait in place of taking a processor, and the server is 2 and 10 ms away. Then what one listener with
all the shards spends on a change: each shard reads the whole log, and handles its own part.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from benchmarks.drain import publish_all
from benchmarks.figures import in_turn, markdown, median, ratio, short, spread
from benchmarks.filling import fill
from benchmarks.latency import delayed
from benchmarks.scale import change_counters, shared, store_counters
from benchmarks.world import World, listening, world

SHARDS = (1, 2, 4, 8)
# Each way, in seconds.
LATENCIES = (0.0, 0.001, 0.005)
ROWS = int(os.environ.get("KCK_BENCH_ROWS", "8000"))
KEYS = int(os.environ.get("KCK_BENCH_KEYS", "400"))
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "3"))


def main() -> None:
    """Measure and print."""
    with world("shards: refreshes a second of so many listeners") as found, found.connect() as one:
        fill(one, ["leaflet"], ROWS)
        store_counters(one, "elsewhere", KEYS)
        _table(
            f"one host, {ROWS:,} rows by pk, cheap",
            {n: partial(_rate, found, one, n, 0.0, _drain) for n in SHARDS},
        )
        for seconds in LATENCIES:
            _table(
                f"a host each, {KEYS} computes of 20 ms, the server {2e3 * seconds:g} ms away",
                {n: partial(_rate, found, one, n, seconds, _recompute) for n in SHARDS},
            )
        _reading(one)


def _table(title: str, rates: dict[int, Callable[[], float]]) -> None:
    figures = in_turn({str(n): rate for n, rate in rates.items()}, ROUNDS)
    print(f"   {title}: {ROUNDS} rounds, load now {os.getloadavg()[0]:.1f}")
    rows = [["listeners", "refreshes/s", "p25 - p75", "x one"]]
    for name, values in figures.items():
        rows.append(
            [name, short(median(values)), spread(values), short(ratio(values, figures["1"]))]
        )
    markdown(rows)


def _rate(
    found: World, one: Any, listeners: int, seconds: float, change: Callable[[Any], float]
) -> float:
    """Refreshes a second, as ``change`` tells them."""
    with _shards(listeners), _away(found.url, seconds), ExitStack() as stack:
        for _ in range(listeners):
            stack.enter_context(listening())
        shared(one, listeners)
        return change(one)


@contextmanager
def _shards(count: int) -> Iterator[None]:
    os.environ["KCK_BENCH_SHARDS"] = str(count)
    try:
        yield
    finally:
        del os.environ["KCK_BENCH_SHARDS"]


@contextmanager
def _away(url: str, seconds: float) -> Iterator[None]:
    """Listeners reach the server over such a network."""
    with delayed(url, seconds) if seconds else _as_is(url) as away:
        os.environ["KCK_BENCH_DATABASE"] = away
        try:
            yield
        finally:
            os.environ["KCK_BENCH_DATABASE"] = url


@contextmanager
def _as_is(url: str) -> Iterator[str]:
    yield url


def _drain(one: Any) -> float:
    return ROWS / publish_all(one, "leaflet", 1, ROWS)


def _recompute(one: Any) -> float:
    return KEYS / change_counters(one, "elsewhere", KEYS)


def _reading(one: Any) -> None:
    """What a change costs a shard that has nothing to do with it."""

    def used(shards: int) -> float:
        with _shards(shards), listening() as listener:
            publish_all(one, "leaflet", 1, ROWS)
            before = listener.seconds()
            publish_all(one, "leaflet", 1, ROWS)
            return (listener.seconds() - before) / ROWS

    figures = in_turn({str(n): partial(used, n) for n in SHARDS}, ROUNDS)
    print("   one listener with all shards: its processor time a change")
    rows = [["shards", "us a change", "p25 - p75"]]
    for name, values in figures.items():
        scaled = [value * 1e6 for value in values]
        rows.append([name, short(median(scaled)), spread(scaled)])
    markdown(rows)
    most, least = str(SHARDS[-1]), str(SHARDS[0])
    pairs = zip(figures[most], figures[least], strict=True)
    foreign = median([(many - few) / (SHARDS[-1] - SHARDS[0]) for many, few in pairs])
    alone = median(figures[least])
    print(
        f"   a foreign change costs a shard {short(foreign * 1e6)} us, its own "
        f"{short(alone * 1e6)} us: with ever more shards at most "
        f"{short(1 / foreign)} changes/s are read, and {short(alone / foreign)} times one's are "
        "handled",
        flush=True,
    )


if __name__ == "__main__":
    main()
