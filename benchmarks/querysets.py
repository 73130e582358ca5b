"""Products of querysets over 3,000, 30,000 and 300,000 real flights: what a change costs.

Each is amended by the changes, without a line of code: the first of an order, numbers, groups, and
the same through a foreign key. Measured is a listener's batch in this process, of so many changed
flights from one airport: this process's processor time, which a busy machine does not stretch (the
server is asked the same whatever the size), and the time of the clock. Beside it one prime.
"""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import psycopg

from benchmarks.augment import NOTHING, SIZES, fill, flights
from benchmarks.batches import Batches
from benchmarks.figures import in_turn, markdown, median, short, target
from benchmarks.world import world

ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "15"))
BATCH = 20
FLAT = 1.25
# Those of them that call themselves so.
LOW_COST = ["B6", "F9", "FL", "VX", "WN"]


def main() -> None:
    """Measure and print."""
    os.environ["KCK_BENCH_QUERYSETS"] = "1"
    title = "querysets: one change of a queryset's value over many flights"
    with world(title) as found, found.connect() as connection:
        rows = list(flights())
        connection.execute(
            "INSERT INTO benchmarks_airline (code, low_cost) "
            "SELECT code, code = ANY (%s) FROM unnest(%s::text[]) code",
            [LOW_COST, sorted({row[0] for row in rows})],
        )
        for size in SIZES:
            fill(connection, size, rows[:size])
            connection.execute(
                f"UPDATE benchmarks_flights{size} f SET airline_id = a.id "
                "FROM benchmarks_airline a WHERE a.code = f.carrier"
            )
        connection.execute("TRUNCATE kck_publish_change")
        connection.execute("VACUUM ANALYZE")
        _measure(connection)


def _measure(connection: psycopg.Connection[Any]) -> None:
    from benchmarks.queryset_flights import KINDS, ORIGIN, name_of
    from kck_publish import Cache
    from kck_publish.listener.listener import Listener
    from kck_publish.products import registry
    from kck_publish.testing import assert_fresh

    cache = Cache.get_instance()
    Listener("default").once()
    listener = Batches()
    dice = random.Random(5)
    choices = {
        size: [
            pk
            for (pk,) in connection.execute(
                f"SELECT id FROM benchmarks_flights{size} WHERE origin = %s AND carrier = 'B6'",
                [ORIGIN],
            )
        ]
        for size in SIZES
    }
    names = {(kind, size): name_of(kind, size) for kind in KINDS for size in SIZES}

    def refresh(kind: str, size: int) -> Callable[[], float]:
        def measure() -> float:
            for other in KINDS:
                cache.unset(f"{names[other, size]}/{ORIGIN}")
            cache.get(f"{names[kind, size]}/{ORIGIN}")
            listener.next()
            for _ in range(BATCH):
                connection.execute(
                    f"UPDATE benchmarks_flights{size} SET dep_delay = %s, distance = distance + 1 "
                    "WHERE id = %s",
                    [dice.randrange(60), dice.choice(choices[size])],
                )
            return batch(f"{kind} {size}")

        return measure

    clock: dict[str, list[float]] = defaultdict(list)

    def batch(name: str) -> float:
        start, used = time.perf_counter(), time.process_time()
        listener.next()
        used = time.process_time() - used
        clock[name].append(time.perf_counter() - start)
        return used

    def nothing() -> float:
        for _ in range(BATCH):
            connection.execute("UPDATE benchmarks_counter SET count = count + 1")
        return batch(NOTHING)

    contestants = {f"{kind} {size}": refresh(kind, size) for kind, size in names}
    figures = in_turn({**contestants, NOTHING: nothing}, ROUNDS)
    sizes = [f"{size:,}" for size in SIZES]
    table = [["us a change", *sizes, "ratio", f"clock: {sizes[0]}", *sizes[1:], "a prime, ms"]]
    worst = 0.0
    for kind in KINDS:
        own, waited = (
            [_own(each, f"{kind} {size}") for size in SIZES] for each in (figures, clock)
        )
        worst = max(worst, own[-1] / own[0])
        prime = _prime(registry.get(names[kind, SIZES[-1]]), ORIGIN)
        used, took = ([short(value * 1e6 / BATCH) for value in each] for each in (own, waited))
        table.append([kind, *used, short(own[-1] / own[0]), *took, short(prime * 1e3)])
    markdown(table)
    target(f"{SIZES[-1]:,} to {SIZES[0]:,} flights, worst", f"<= {FLAT}", worst, met=worst <= FLAT)
    for name in names.values():
        cache.get(f"{name}/{ORIGIN}")
    listener.next()
    assert_fresh(*names.values())
    print("   Drained, each value is what its queryset gives.")


def _own(figures: dict[str, list[float]], name: str) -> float:
    """What a product took of its batches, in seconds."""
    rounds = zip(figures[name], figures[NOTHING], strict=True)
    return max(median([one - other for one, other in rounds]), 1e-6)


def _prime(product: Any, origin: str) -> float:
    took = []
    for _ in range(5):
        start = time.perf_counter()
        product.prime_one({"origin": origin})
        took.append(time.perf_counter() - start)
    return median(took)


if __name__ == "__main__":
    main()
