"""Commit to readable: how long after a commit the store has the new value.

The writer commits one change by raw SQL, and the listener commits the store's row. The server keeps
the times of both commits (``track_commit_timestamp``), so nobody has to look for the value all the
time and so take a processor from the listener. Beside it, in the same rounds, the floors: a raw
LISTEN that wakes on NOTIFY, and a bare round trip.
Then the near store, at a steady rate (``push_near``), and the peers that push (``push_peers``).
"""

from __future__ import annotations

import os
import time
from typing import Any

import psycopg

from benchmarks import push_near, push_peers
from benchmarks.figures import median, quantile, short, target, timed
from benchmarks.filling import fill
from benchmarks.world import World, asleep, listening, world

CHANGES, ROWS = int(os.environ.get("KCK_BENCH_CHANGES", "1000")), push_near.HELD
PATIENCE = 10.0
# Between two looks whether it is there, in seconds.
PAUSE = 0.003
# Before a round trip that finds processors asleep and caches cold, as a ring finds the listener.
REST = 0.03
SETTINGS = {"track_commit_timestamp": "on"}

BODY = "SELECT body FROM kck_publish_entry WHERE key = %s"
TOOK = """
SELECT extract(epoch FROM
               pg_xact_commit_timestamp(entry.xmin) - pg_xact_commit_timestamp(leaflet.xmin))
  FROM kck_publish_entry AS entry, benchmarks_leaflet AS leaflet
 WHERE entry.key = %s AND leaflet.id = %s
"""


def main() -> None:
    """Measure and print."""
    os.environ["KCK_BENCH_PEER"] = "push"
    with world("push: commit to readable", SETTINGS) as found, found.connect() as writer:
        fill(writer, ["leaflet"], ROWS)
        with listening(), found.connect() as reader:
            reader.execute("CREATE INDEX ON kck_publish_entry (key)")
            writer.execute("UPDATE benchmarks_leaflet SET pages = pages + 1")
            asleep(reader)
            _report(found, writer, reader)
        push_near.report(writer)
        push_peers.install(writer)
        push_peers.report_latencies(writer)


def _report(found: World, writer: Any, reader: Any) -> None:
    idle: list[float] = []
    awake: list[float] = []
    raw: list[float] = []
    turns: list[float] = []
    rested: list[float] = []
    turn = timed(lambda: reader.execute("SELECT 1").fetchone(), 10)
    with found.connect() as ear:
        ear.execute("LISTEN bench")
        for number in range(CHANGES):
            asleep(reader)
            idle.append(change(writer, reader, number))  # the listener slept
            awake.append(change(writer, reader, number + 1))  # it lingers
            raw.append(_wake(writer, ear))
            turns.append(turn())
            time.sleep(REST)
            rested.append(timed(lambda: reader.execute("SELECT 1").fetchone())())
    figures = {
        "asleep": idle,
        "lingering": awake,
        "raw LISTEN wake": raw,
        "bare round trip": turns,
        "one after a rest": rested,
    }
    for name, values in figures.items():
        p50, p90, p99 = (quantile(values, part) * 1e3 for part in (0.5, 0.9, 0.99))
        print(
            f"   {name:16} p50 {short(p50)} ms  p90 {short(p90)}  p99 {short(p99)}"
            f"  worst {short(max(values) * 1e3)}"
        )
    p50, p99 = median(idle) * 1e3, quantile(idle, 0.99) * 1e3
    target("p50, listener idle", "<= 3 ms", p50, " ms", p50 <= 3)
    target("p99, listener idle", "<= 20 ms", p99, " ms", p99 <= 20)
    for name, values, most in (("idle", idle, 30), ("lingering", awake, 25)):
        trips = median(values) / median(turns)
        wanted = f"<= {most}"
        target(f"p50, listener {name}, in bare round trips", wanted, trips, "", trips <= most)
    print(
        f"   - p50, listener idle, in round trips after a rest: {short(p50 / median(rested) / 1e3)}"
    )


def change(writer: psycopg.Connection[Any], reader: psycopg.Connection[Any], n: int) -> float:
    """Seconds from the commit of a change to the commit of the row with another body."""
    pk = n % ROWS + 1
    key = f"benchmarks.leaflet/{pk}"
    before = reader.execute(BODY, [key]).fetchone()
    writer.execute("UPDATE benchmarks_leaflet SET pages = pages + 1 WHERE id = %s", [pk])
    end = time.perf_counter() + PATIENCE
    while reader.execute(BODY, [key]).fetchone() == before:
        if time.perf_counter() > end:
            raise TimeoutError(f"{key} was not published")
        time.sleep(PAUSE)
    (took,) = reader.execute(TOOK, [key, pk]).fetchone()  # type: ignore[misc]
    return float(took)


def _wake(writer: psycopg.Connection[Any], ear: psycopg.Connection[Any]) -> float:
    writer.execute("NOTIFY bench")
    start = time.perf_counter()
    for _ in ear.notifies(timeout=PATIENCE, stop_after=1):
        pass
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
