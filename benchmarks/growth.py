"""Growth: what one change and one read cost with 1,000 to 1,000,000 stored products.

Each size has a database and a near store of its own, and they take turns. A change is its UPDATE
and the listener's batch. Also told: what a product takes on the disk and in the near store's file,
and what it adds to the memory of the listener and of who follows for the near store, and how long a
listener and ``kck_status`` take from the start of their processes. The entries are made by the
library, and stored by COPY. ``KCK_BENCH_SIZES=1000,10000`` measures others.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg import connect

from benchmarks.drain import publish_all
from benchmarks.figures import markdown, median, ratio, short, table, target
from benchmarks.filling import fill
from benchmarks.picture import draw
from benchmarks.stocking import stock
from benchmarks.turns import in_turns, processes
from benchmarks.world import DATABASE, World, listening, world

SIZES = [
    int(one) for one in os.environ.get("KCK_BENCH_SIZES", "1000,10000,100000,1000000").split(",")
]
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "15"))
FLAT = 1.25
CHANGE, READ, NEAR, BARE = "one change", "one read", "near store", "bare LMDB get"
# So many are published by a listener that starts with the others stored, for its memory.
PUBLISHED = 1_000


def main() -> None:
    """Measure and print."""
    with world("growth: with more and more stored products") as found, ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="kck-bench-"))
        plans, near, disks = [], [], []
        for size in SIZES:
            url = stack.enter_context(_copy(found, size))
            disks.append(_publish(url, size))
            environment = {"KCK_BENCH_KIND": str(size), "KCK_BENCH_DATABASE": url}
            plans.append((environment, ["benchmarks.growing"]))
            if find_spec("lmdb"):
                path = {"KCK_BENCH_NEAR": str(Path(folder, str(size)))}
                near.append((environment | path, ["benchmarks.growing_near"]))
        with processes(plans) as held, processes(near) as copies:
            rows = [
                [
                    "",
                    "bytes on disk, each",
                    "listener's peak memory, MiB",
                    "bytes in the near store, each",
                    "its writer's memory, MiB",
                ]
            ]
            for number, (size, (disk, memory)) in enumerate(zip(SIZES, disks, strict=True)):
                cells = [f"{size:,} products", f"{disk / size:,.0f}", f"{memory / 1024:,.0f}"]
                if near:
                    length = Path(folder, str(size)).stat().st_size
                    used = copies[number].memory() / 1024
                    cells += [f"{length / size:,.0f}", f"{used:,.0f}"]
                rows.append([*cells, *["-"] * (len(rows[0]) - len(cells))])
            markdown(rows)
            tasks = [CHANGE, READ, *(f"{READ}, {name}" for name in (NEAR, BARE) if near)]
            for task in tasks:
                _report(task, in_turns([*held, *copies], task, ROUNDS))


def _report(task: str, figures: dict[str, list[float]]) -> None:
    small, large = (f"{size:,} products" for size in (min(SIZES), max(SIZES)))
    print(f"   {task}, over {ROUNDS} rounds, load now {os.getloadavg()[0]:.1f}")
    table(figures, "us", 1e6, small)
    grown = ratio(figures[large], figures[small])
    target(f"{task}, {large} to {small}", f"<= {FLAT}", grown, met=grown <= FLAT)
    medians = {name: median(values) * 1e6 for name, values in figures.items()}
    title = f"{task.capitalize()}, by what is stored"
    draw("growth-" + task.replace(",", "").replace(" ", "-"), title, medians, "us")


@contextmanager
def _copy(found: World, size: int) -> Iterator[str]:
    """A copy of the empty, migrated database; its URL."""
    from django.db import connections

    connections.close_all()  # a template must have no guests
    name = f"{DATABASE}_{size}"
    with connect(found.server.dsn, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {DATABASE}")
        try:
            yield found.server.dsn_of(name)
        finally:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _publish(url: str, size: int) -> tuple[int, int]:
    """Fill it and store all: the store's bytes, and a listener's peak memory in KiB."""
    before = os.environ["KCK_BENCH_DATABASE"]
    os.environ["KCK_BENCH_DATABASE"] = url
    try:
        with connect(url, autocommit=True) as connection, connect(url, autocommit=True) as other:
            fill(connection, ["leaflet"], size)
            start = time.perf_counter()
            stock(other, connection)
            stored = time.perf_counter() - start
            connection.execute("VACUUM ANALYZE")
            start = time.perf_counter()
            with listening() as listener:
                ready = time.perf_counter() - start
                told = _status()
                some = min(size, PUBLISHED)
                took = publish_all(connection, "leaflet", 1, some)
                memory = listener.memory()
            print(
                f"   {size:,} products stored, {short(size / stored)}/s; of these {some:,} "
                f"published by a listener, {short(some / took)}/s; a listener is ready after "
                f"{short(ready)} s, kck_status ends after {short(told)} s",
                flush=True,
            )
            connection.execute("TRUNCATE kck_publish_change")
            connection.execute("VACUUM ANALYZE")
            # Else who reads a page writes out another one, that filling has left dirty.
            connection.execute("CHECKPOINT")
            query = "SELECT pg_total_relation_size('kck_publish_entry')"
            (disk,) = connection.execute(query).fetchone() or (0,)
        return disk, memory
    finally:
        os.environ["KCK_BENCH_DATABASE"] = before


def _status() -> float:
    """Seconds of ``kck_status``, with the start of its process."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "django", "kck_status", "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
