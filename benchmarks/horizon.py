"""Push latency after 200,000 changes while an old transaction holds the horizon.

In turn, several times, on a database that is vacuumed before each: nothing is open; a read snapshot
is held here; a write transaction is held here; one is held in another database of the cluster. Each
time 200,000 rows of the log are made, handled and trimmed, and then single changes are pushed.
Beside it: how long the trimming takes, by a cursor of its own and as a plain DELETE of what is
lowest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg

from benchmarks.figures import in_turn, median, quantile, ratio, short, target
from benchmarks.filling import fill
from benchmarks.push import SETTINGS, change
from benchmarks.world import World, asleep, listening, world

ROWS = 2_000
CHANGES = int(os.environ.get("KCK_BENCH_CHANGES", "200000"))
PUSHES = int(os.environ.get("KCK_BENCH_PUSHES", "200"))
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "3"))
WAYS = ("nothing held", "read snapshot here", "write transaction here", "write elsewhere")
PLAIN = """
DELETE FROM kck_publish_change WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM kck_publish_change WHERE xid < pg_current_xact_id() ORDER BY xid LIMIT 5000))
"""


def main() -> None:
    """Measure and print."""
    os.environ["KCK_BENCH_RETENTION"] = "0.5"
    with world(f"horizon: push after {CHANGES:,} changes, the horizon held", SETTINGS) as found:
        with found.connect() as writer, found.connect() as reader:
            fill(writer, ["leaflet"], ROWS)
            reader.execute("CREATE INDEX ON kck_publish_entry (key)")
            with listening():
                writer.execute("UPDATE benchmarks_leaflet SET pages = pages + 1")
                asleep(reader)
                _report(found, writer, reader)
        _trimming(found)


def _report(found: World, writer: Any, reader: Any) -> None:
    pushes: dict[str, list[float]] = {way: [] for way in WAYS}

    def measured(way: str) -> float:
        """The median push, after the changes."""
        _vacuum(writer)
        with held(found, way):
            before, took = _push(writer, reader), _many(writer, reader)
            after = _push(writer, reader)
            (left,) = reader.execute("SELECT count(*) FROM kck_publish_change").fetchone()
        pushes[way] += after
        print(
            f"   {way:22} p50 {short(median(before) * 1e3)} ms before, "
            f"{short(median(after) * 1e3)} after; {CHANGES:,} changes handled and trimmed in "
            f"{short(took)} s, {left:,} rows left",
            flush=True,
        )
        return median(after)

    figures = in_turn({way: partial(measured, way) for way in WAYS}, ROUNDS)
    for way, values in pushes.items():
        p50, p99 = (quantile(values, part) * 1e3 for part in (0.5, 0.99))
        print(f"   {way:22} after the changes: p50 {short(p50)} ms, p99 {short(p99)}")
    for way in WAYS[1:]:
        slower = ratio(figures[way], figures[WAYS[0]])
        target(f"{way}, ratio to nothing held", "<= 1.5", slower, met=slower <= 1.5)


@contextmanager
def held(found: World, way: str) -> Iterator[None]:
    """Hold what is named, until the end of the block."""
    if way == "nothing held":
        yield
        return
    url = found.server.dsn_of("postgres") if way == "write elsewhere" else found.url
    with psycopg.connect(url) as holder:
        if way == "read snapshot here":
            holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            holder.execute("SELECT count(*) FROM benchmarks_leaflet")
        else:
            holder.execute("SELECT pg_current_xact_id()")
        yield
        holder.rollback()


def _vacuum(writer: Any) -> None:
    for table in ("change", "entry", "shard", "listener"):
        writer.execute(f"VACUUM ANALYZE kck_publish_{table}")
    writer.execute("VACUUM ANALYZE benchmarks_leaflet")


def _push(writer: Any, reader: Any) -> list[float]:
    figures = []
    for number in range(PUSHES):
        asleep(reader)
        figures.append(change(writer, reader, number))
    return figures


def _many(writer: Any, reader: Any) -> float:
    """Seconds until so many changes are made, handled and trimmed."""
    start = time.perf_counter()
    for _ in range(CHANGES // ROWS):
        writer.execute("UPDATE benchmarks_leaflet SET pages = pages + 1")
    while True:
        (left,) = reader.execute("SELECT count(*) FROM kck_publish_change").fetchone()
        if left < 2 * ROWS:
            break
        if time.perf_counter() - start > 600:
            print(f"   not trimmed: {left:,} rows are left")
            break
        time.sleep(0.05)
    asleep(reader)
    return time.perf_counter() - start


def _trimming(found: World) -> None:
    """The same rows deleted in portions by both ways, under a held read snapshot."""
    from django.db import connection

    from kck_publish.log.trim import Trimming

    for way in ("by a cursor", "plain"):
        with found.connect() as one, connection.cursor() as cursor:
            one.execute("TRUNCATE kck_publish_change, kck_publish_shard")
            with held(found, "read snapshot here"):
                one.execute(
                    "INSERT INTO kck_publish_change (source, op) "
                    "SELECT 'none', 'update' FROM generate_series(1, %s)",
                    [CHANGES],
                )
                one.execute(
                    "INSERT INTO kck_publish_shard (shard, shards, claimed, done, cluster) "
                    "VALUES (0, 1, pg_current_snapshot(), pg_current_snapshot(), '')"
                )
                trimming, portions = Trimming(0.0), []
                while True:
                    start = time.perf_counter()
                    plain = way == "plain"
                    gone = one.execute(PLAIN).rowcount if plain else trimming.trim(cursor)
                    if not gone:
                        break
                    portions.append(time.perf_counter() - start)
                # And when nothing is left to trim: what each later look costs.
                start = time.perf_counter()
                for _ in range(10):
                    one.execute(PLAIN) if way == "plain" else trimming.trim(cursor)
                idle = (time.perf_counter() - start) / 10
        print(
            f"   trimming {CHANGES:,} rows {way:12} {short(sum(portions))} s in {len(portions)} "
            f"portions, the last {short(portions[-1] * 1e3)} ms; a later look "
            f"{short(idle * 1e3)} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
