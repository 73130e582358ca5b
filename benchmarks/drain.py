"""20,000 rows changed by one statement: how fast all are published again, in how much memory.

Two models: one published by pk alone (20,000 instances) and one by pk and by a lookup (each row is
two instances: 40,000 in all). Then the peers that push: see ``push_peers``.
"""

from __future__ import annotations

import os
import time
from typing import Any

import psycopg

from benchmarks import push_peers
from benchmarks.figures import median, short, spread, target
from benchmarks.filling import fill
from benchmarks.world import ListenerProcess, asleep, listening, world

ROWS = 20_000
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "4"))
PATIENCE = 300.0


def main() -> None:
    """Measure and print."""
    title = f"drain: {ROWS:,} rows changed by one statement"
    os.environ["KCK_BENCH_PEER"] = "push"
    with world(title) as found, found.connect() as connection:
        fill(connection, ["leaflet", "book"], ROWS)
        with listening() as listener:
            rate = _measure(connection, listener, "leaflet", 1)
            _measure(connection, listener, "book", 2)
        push_peers.install(connection)
        peer = push_peers.report_drain(connection).get("django-pgpubsub")
        if peer:
            target(
                "leaflet, to django-pgpubsub's callbacks", ">= 5", rate / peer, met=rate >= 5 * peer
            )


def _measure(
    connection: psycopg.Connection[Any], listener: ListenerProcess, table: str, products: int
) -> float:
    """Instances a second, by the clock."""
    asleep(connection)
    before = listener.memory()
    seconds: list[float] = []
    busy: list[float] = []
    for number in range(ROUNDS + 1):
        used = listener.seconds()
        took = publish_all(connection, table, products)
        if number:  # the first round fills the store
            seconds.append(took)
            busy.append(listener.seconds() - used)
    rates = [ROWS * products / one for one in seconds]
    print(f"   {table}: {products} instance(s) a row, {ROWS * products:,} in all")
    print(
        f"   {short(median(rates))} instances/s ({spread(rates)}), {short(median(seconds))} s; the "
        f"listener used {short(median(busy))} s of a processor"
    )
    print(
        f"   peak memory of the listener {listener.memory() // 1024} MiB, {before // 1024} before"
    )
    of_a_core = ROWS * products / median(busy)
    target(f"{table}, instances/s a core", ">= 8,000", of_a_core, met=of_a_core >= 8_000)
    return median(rates)


def publish_all(
    connection: psycopg.Connection[Any], table: str, products: int, rows: int = ROWS
) -> float:
    """Seconds from the commit's return until the listener has written the first so many rows."""
    asleep(connection)
    (version,) = connection.execute(  # type: ignore[misc]
        "SELECT coalesce(max(version), 0) FROM kck_publish_entry"
    ).fetchone()
    with connection.transaction():
        connection.execute(
            f"UPDATE benchmarks_{table} SET pages = pages + 1 WHERE id <= %s", [rows]
        )
        (xid,) = connection.execute("SELECT pg_current_xact_id()::text").fetchone()  # type: ignore[misc]
    start = time.perf_counter()
    # A cheap look, so that it takes nothing from what it measures.
    handled = """
        SELECT bool_and(pg_visible_in_snapshot(%s::xid8, done))
               AND NOT EXISTS (SELECT FROM kck_publish_backlog)
          FROM kck_publish_shard
    """
    while connection.execute(handled, [xid]).fetchone() != (True,):
        if time.perf_counter() - start > PATIENCE:
            raise TimeoutError(f"{table} was not published")
        time.sleep(0.005)
    took = time.perf_counter() - start
    (written,) = connection.execute(  # type: ignore[misc]
        "SELECT count(*) FROM kck_publish_entry WHERE product LIKE %s AND version > %s",
        [f"benchmarks.{table}%", version],
    ).fetchone()
    if written != rows * products:
        raise RuntimeError(f"{written} of {rows * products} instances were published")
    return took


if __name__ == "__main__":
    main()
