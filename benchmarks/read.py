"""Reading: one instance, a hundred, and a page of 7 KB, beside what one would use instead.

The page is read as bytes (an HTTP answer) and as the object it stands for. Each peer is set up as
its authors advise: see ``peers``. What patches the ORM, and each of our stores, has a process of
its own; one contestant runs at a time, in turn, whichever process it is in.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from benchmarks.figures import median, table
from benchmarks.filling import fill
from benchmarks.near import near_store
from benchmarks.peers import BYTES, DECODED, MANY, NEAR, ONE, ORM, POSTGRES, ROWS
from benchmarks.picture import draw
from benchmarks.read_targets import judge
from benchmarks.redis_server import redis_server
from benchmarks.turns import in_turns, processes
from benchmarks.world import world

ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "9"))
Plan = tuple[Mapping[str, str], Sequence[str]]


def main() -> None:
    """Measure and print."""
    with world("read: one instance, 100, and a page of 7 KB") as found:
        with found.connect() as raw:
            fill(raw, ["book"], ROWS)
            raw.execute("UPDATE benchmarks_book SET pages = pages + 1")
            _command("kck_listen", "--once")
            _command("createcachetable", "--verbosity", "0")
            raw.execute("VACUUM ANALYZE")
        with (
            redis_server() as redis,
            near_store() as near,
            processes(_plans(redis, near)) as held,
        ):
            for process in held:
                for peer, reason in process.skipped.items():
                    print(f"   left out: {peer}: {reason}")
            for task in (ONE, MANY, BYTES, DECODED):
                _report(task, in_turns(held, task, ROUNDS))


def _report(task: str, figures: Mapping[str, Sequence[float]]) -> None:
    ordered = dict(sorted(figures.items(), key=lambda one: -median(one[1])))
    print(f"\n   {task}, over {ROUNDS} rounds, load now {os.getloadavg()[0]:.1f}")
    table(ordered, "us", 1e6, ORM, POSTGRES, NEAR)
    judge(task, figures)
    medians = {name: median(values) * 1e6 for name, values in ordered.items()}
    draw("read-" + task.replace(", ", "-").replace(" ", "-"), f"Reading {task}", medians, "us")


def _plans(redis: str | None, near: str | None) -> list[Plan]:
    plain = ["orm", "disk", "floor"] + (["raw", "django_caches"] if redis else [])
    plans = [
        _plan("postgres", [*plain, "ours"]),
        _plan("prepared", ["orm_prepared", "ours"], KCK_BENCH_PREPARED="1"),
        _plan("locmem", ["cachalot"], KCK_BENCH_PEER="cachalot"),
        _plan("locmem", ["cachemodel"], KCK_BENCH_PEER="cachemodel"),
    ]
    if redis:
        plans += [
            _plan("redis", ["ours"], KCK_BENCH_STORE="cache:store"),
            _plan("cacheops", ["cacheops"], KCK_BENCH_PEER="cacheops"),
            _plan("Redis", ["cachalot"], KCK_BENCH_PEER="cachalot-redis"),
            _plan("Redis", ["cachemodel"], KCK_BENCH_PEER="cachemodel-redis"),
        ]
    if near:
        plans.append(_plan("near", ["ours"], KCK_BENCH_NEAR=near))
    return plans


def _plan(kind: str, peers: Sequence[str], **environment: str) -> Plan:
    return {"KCK_BENCH_KIND": kind, **environment}, [f"benchmarks.peers.{one}" for one in peers]


def _command(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "django", *arguments], check=True)


if __name__ == "__main__":
    main()
