"""Two listeners with two shards against one: refreshes a second when primers are CPU-bound.

Then three listeners with three shards: how long after one is killed its shard works again.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import Any

from benchmarks.figures import in_turn, short, spread, target
from benchmarks.world import World, listening, world

KEYS = int(os.environ.get("KCK_BENCH_KEYS", "400"))
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "4"))
PATIENCE = 120.0
_WRITTEN = "SELECT count(*) FROM kck_publish_entry WHERE product = %s AND version > %s"


def main() -> None:
    """Measure and print."""
    os.environ["KCK_BENCH_SHARDS"] = "2"
    with world(f"scale: {KEYS} CPU-bound keys") as found, found.connect() as one:
        store_counters(one, "heavy", KEYS)
        rates = in_turn(
            {f"{n} listener{'s' * (n > 1)}": lambda n=n: _rate(one, n) for n in (1, 2)},  # type: ignore[misc]
            ROUNDS,
        )
        alone, both = rates.values()
        for name, values in rates.items():
            print(f"   {name}: best {short(max(values))} refreshes/s ({spread(values)})")
        ratio = max(both) / max(alone)
        target("two listeners, ratio of the best rounds", ">= 1.6", ratio, met=ratio >= 1.6)
        _takeover(found, one)


def store_counters(one: Any, product: str, keys: int) -> None:
    """So many counters, and a product of each, which is stored."""
    from kck_publish import Cache

    one.execute(
        "INSERT INTO benchmarks_counter (\"group\", count, filler) SELECT n, 0, '' "
        "FROM generate_series(1, %s) n",
        [keys],
    )
    for group in range(1, keys + 1):
        Cache.get_instance().get(f"{product}/{group}")


def _rate(one: Any, listeners: int) -> float:
    """Refreshes a second of so many listeners, from the commit until all is written."""
    with ExitStack() as stack:
        for _ in range(listeners):
            stack.enter_context(listening())
        shared(one, listeners)
        return KEYS / change_counters(one, "heavy", KEYS)


def change_counters(one: Any, product: str, keys: int) -> float:
    """Change what every key depends on; seconds until every one is refreshed."""
    ((before,),) = one.execute("SELECT max(version) FROM kck_publish_entry").fetchall()
    start = time.perf_counter()
    one.execute("UPDATE benchmarks_counter SET count = count + 1")
    while one.execute(_WRITTEN, [product, before]).fetchone()[0] < keys:
        if time.perf_counter() - start > PATIENCE:
            raise TimeoutError("the keys were not refreshed")
        time.sleep(0.005)
    return time.perf_counter() - start


def shared(one: Any, listeners: int) -> None:
    """Return once each owns its part."""
    end = time.perf_counter() + PATIENCE
    query = "SELECT count(*), min(cardinality(shards)) FROM kck_publish_listener"
    while True:
        count, least = one.execute(query).fetchone()
        if count == listeners and least:
            return
        if time.perf_counter() > end:
            raise TimeoutError("the shards are not shared")
        time.sleep(0.02)


def _takeover(found: World, one: Any) -> None:
    """Seconds from a SIGKILL until every shard has handled a change that came after it."""
    os.environ["KCK_BENCH_SHARDS"] = "3"
    figures = []
    for _ in range(ROUNDS):
        with ExitStack() as stack:
            victims = [stack.enter_context(listening()) for _ in range(3)]
            shared(one, 3)
            start = time.perf_counter()
            victims[0].process.kill()
            (xid,) = one.execute(
                'WITH w AS (UPDATE benchmarks_counter SET count = count + 1 WHERE "group" = 1) '
                "SELECT pg_current_xact_id()::text"
            ).fetchone()
            handled = (
                "SELECT count(*) = 3 AND bool_and(pg_visible_in_snapshot(%s::xid8, done)) "
                "FROM kck_publish_shard"
            )
            while one.execute(handled, [xid]).fetchone() != (True,):
                if time.perf_counter() - start > PATIENCE:
                    raise TimeoutError("the dead listener's shard does not work again")
                time.sleep(0.005)
            figures.append(time.perf_counter() - start)
    print(f"   one of three killed: {', '.join(short(f) for f in figures)} s until all shards work")
    worst = max(figures)
    target("a killed listener's shards work again", "<= 3 s", worst, " s", met=worst <= 3)


if __name__ == "__main__":
    main()
