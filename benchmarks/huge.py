"""1,000,000 rows changed by one statement: the listener's memory, and what others wait meanwhile.

The rows are published by pk. Right after the commit, and then each second until all is published,
one row of another model is changed: how long until its new value can be read?
"""

from __future__ import annotations

import os
import time
from typing import Any

import psycopg

from benchmarks.figures import median, quantile, short, target
from benchmarks.filling import fill
from benchmarks.world import asleep, listening, world

ROWS = int(os.environ.get("KCK_BENCH_ROWS", "1000000"))
BODY = "SELECT body FROM kck_publish_entry WHERE digest = %s"
PATIENCE = 1800.0


def main() -> None:
    """Measure and print."""
    title = f"huge: {ROWS:,} rows changed by one statement"
    with world(title) as found, found.connect() as connection, found.connect() as other:
        fill(connection, ["leaflet"], ROWS)
        connection.execute(
            "INSERT INTO benchmarks_ticker (\"group\", count, filler) VALUES (1, 1, '')"
        )
        with listening() as listener:
            connection.execute("UPDATE benchmarks_ticker SET count = count + 1")
            asleep(connection)
            before = listener.memory()
            start = time.perf_counter()
            with connection.transaction():
                connection.execute("UPDATE benchmarks_leaflet SET pages = pages + 1")
            written = time.perf_counter()
            waits = [_small_change(connection, other)]
            print(f"   a small change right after: readable after {short(waits[0])} s", flush=True)
            while not _handled(connection):
                if time.perf_counter() - written > PATIENCE:
                    raise TimeoutError("not all was published")
                time.sleep(1)
                waits.append(_small_change(connection, other))
            took, memory = time.perf_counter() - written, listener.memory()
            busy = listener.seconds()
        _report(connection, written - start, took, busy, before, memory, waits)


def _report(
    connection: psycopg.Connection[Any],
    write: float,
    took: float,
    busy: float,
    before: int,
    memory: int,
    waits: list[float],
) -> None:
    (published,) = connection.execute(  # type: ignore[misc]
        "SELECT count(*) FROM kck_publish_entry WHERE product = 'benchmarks.leaflet'"
    ).fetchone()
    if published != ROWS:
        raise RuntimeError(f"{published} of {ROWS} instances were published")
    print(
        f"   the UPDATE took {short(write)} s, publishing all {short(took)} s "
        f"({short(ROWS / took)} instances/s; {short(busy)} s of a processor)"
    )
    print(f"   peak memory of the listener {memory // 1024} MiB, {before // 1024} before")
    print(
        f"   {len(waits)} small changes meanwhile, readable after p50 {short(median(waits))} s, "
        f"p99 {short(quantile(waits, 0.99))}, worst {short(max(waits))}"
    )
    target("peak memory", "<= 300 MiB", memory / 1024, " MiB", memory <= 300 * 1024)
    target("a small change right after it", "<= 5 s", waits[0], " s", waits[0] <= 5)


def _handled(connection: psycopg.Connection[Any]) -> bool:
    query = "SELECT NOT EXISTS (SELECT FROM kck_publish_backlog)"
    return connection.execute(query).fetchone() == (True,)


def _small_change(writer: psycopg.Connection[Any], reader: psycopg.Connection[Any]) -> float:
    """Seconds from the commit's return until the store's row has another body."""
    (digest,) = reader.execute(  # type: ignore[misc]
        "SELECT digest FROM kck_publish_entry WHERE product = 'benchmarks.ticker'"
    ).fetchone()
    before = reader.execute(BODY, [digest]).fetchone()
    writer.execute("UPDATE benchmarks_ticker SET count = count + 1")
    start = time.perf_counter()
    while reader.execute(BODY, [digest]).fetchone() == before:
        if time.perf_counter() - start > PATIENCE:
            raise TimeoutError("the small change was not published")
        time.sleep(0.005)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
