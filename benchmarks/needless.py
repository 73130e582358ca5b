"""A dozen querysets and a stream of writes: needless recomputes, stale reads, what a change costs.

Ours beside django-cacheops (``@cached_as`` of each queryset, invalidated by itself) and
django-cachalot, both over Redis. The same writes for each, three of them in four of rows that no
value reads; after each one 120 values (twelve querysets of ten authors) are read, and compared with
the database. Our batches run in the process that writes, so that the time of a change is all there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.figures import markdown, median, short, target
from benchmarks.filling import fill
from benchmarks.redis_server import redis_server
from benchmarks.world import World, world

WRITES = int(os.environ.get("KCK_BENCH_WRITES", "100"))
BOOKS, AUTHORS = 2_000, 400
NAMES = {"": "kck_publish", "cacheops": "django-cacheops", "cachalot-redis": "django-cachalot"}


def main() -> None:
    """Measure and print."""
    os.environ["KCK_BENCH_QUERYSETS"] = "1"
    title = "needless: a dozen querysets, and a stream of writes"
    with redis_server() as redis, world(title) as found:
        figures: dict[str, Any] = {}
        for peer, name in NAMES.items():
            if peer and (redis is None or not find_spec(peer.partition("-")[0])):
                print(f"   {name} is left out: it, or Redis, is not installed")
                continue
            figures[name] = _run(found, peer)
        _report(figures)


def _run(found: World, peer: str) -> Any:
    """A contestant's figures, over rows made anew."""
    with found.connect() as connection:
        connection.execute(
            "TRUNCATE benchmarks_author, benchmarks_book, benchmarks_review "
            "RESTART IDENTITY CASCADE"
        )
        fill(connection, ["book"], BOOKS, AUTHORS)
        connection.execute(
            "INSERT INTO benchmarks_review (book_id, stars, text) SELECT mod(g * 7, %s) + 1, "
            "mod(g, 5) + 1, 'Review ' || g FROM generate_series(1, %s) g",
            [BOOKS, BOOKS * 2],
        )
        connection.execute("TRUNCATE kck_publish_change, kck_publish_entry CASCADE")
        connection.execute("VACUUM ANALYZE")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.needless_peer", peer, str(WRITES)],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"KCK_BENCH_PEER": peer, "KCK_BENCH_OPS": "none"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def _report(figures: dict[str, Any]) -> None:
    rows = [
        [
            f"{WRITES} writes",
            "values that changed",
            "recomputed or amended",
            "of them needlessly",
            "stale reads",
            "write, ms",
            "until all are read, ms",
        ]
    ]
    needless, stale = {}, {}
    for name, one in figures.items():
        fresh = one["needed"] if not one["stale"] else min(one["needed"], one["computed"])
        needless[name] = max(0, one["computed"] - fresh)
        stale[name] = one["stale"]
        rows.append(
            [
                name,
                f"{one['needed']:,}",
                f"{one['computed']:,}",
                f"{needless[name]:,}",
                f"{one['stale']:,} of {one['reads']:,}",
                *(short(median(one[each]) * 1e3) for each in ("write", "until")),
            ]
        )
    markdown(rows)
    ours = NAMES[""]
    target("our stale reads", "0", stale[ours], met=not stale[ours])
    for name in figures:
        if name != ours:
            share = needless[ours] / max(1, needless[name])
            target(f"our needless work to {name}'s", "<= 0.5", share, met=share <= 0.5)


if __name__ == "__main__":
    main()
