"""Growth: what one change and one read cost with 1,000, 10,000 and 100,000 stored products.

Each size has a database of its own, and they take turns. A change is its UPDATE and the listener's
batch. Also told: what a product takes on the disk, and what it adds to the listener's memory.
``KCK_BENCH_SIZES=1000,1000000`` measures others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from benchmarks.drain import publish_all
from benchmarks.figures import markdown, median, ratio, short, table, target
from benchmarks.filling import fill
from benchmarks.picture import draw
from benchmarks.turns import in_turns, processes
from benchmarks.world import DATABASE, World, listening, world

SIZES = [int(one) for one in os.environ.get("KCK_BENCH_SIZES", "1000,10000,100000").split(",")]
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "15"))
FLAT = 1.25
CHANGE, READ = "one change", "one read"


def main() -> None:
    """Measure and print."""
    with world("growth: with more and more stored products") as found, ExitStack() as stack:
        plans, rows = [], [["", "bytes on disk, each", "listener's peak memory, MiB"]]
        for size in SIZES:
            url = stack.enter_context(_copy(found, size))
            disk, memory = _publish(url, size)
            rows.append([f"{size:,} products", f"{disk / size:,.0f}", f"{memory / 1024:,.0f}"])
            environment = {"KCK_BENCH_KIND": str(size), "KCK_BENCH_DATABASE": url}
            plans.append((environment, ["benchmarks.growing"]))
        markdown(rows)
        with processes(plans) as held:
            for task in (CHANGE, READ):
                _report(task, in_turns(held, task, ROUNDS))


def _report(task: str, figures: dict[str, list[float]]) -> None:
    small, large = (f"{size:,} products" for size in (min(SIZES), max(SIZES)))
    print(f"   {task}, over {ROUNDS} rounds, load now {os.getloadavg()[0]:.1f}")
    table(figures, "us", 1e6, small)
    grown = ratio(figures[large], figures[small])
    target(f"{task}, {large} to {small}", f"<= {FLAT}", grown, met=grown <= FLAT)
    medians = {name: median(values) * 1e6 for name, values in figures.items()}
    title = f"{task.capitalize()}, by what is stored"
    draw("growth-" + task.replace(" ", "-"), title, medians, "us")


@contextmanager
def _copy(found: World, size: int) -> Iterator[str]:
    """A copy of the empty, migrated database; its URL."""
    from django.db import connections

    connections.close_all()  # a template must have no guests
    name = f"{DATABASE}_{size}"
    with psycopg.connect(found.server.dsn, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {DATABASE}")
        try:
            yield found.server.dsn_of(name)
        finally:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _publish(url: str, size: int) -> tuple[int, int]:
    """Fill it and have all published: the store's bytes, and the listener's peak memory in KiB."""
    before = os.environ["KCK_BENCH_DATABASE"]
    os.environ["KCK_BENCH_DATABASE"] = url
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection, ["leaflet"], size)
            with listening() as listener:
                took = publish_all(connection, "leaflet", 1, size)
                memory = listener.memory()
            print(f"   {size:,} products published, {short(size / took)}/s")
            connection.execute("TRUNCATE kck_publish_change")
            connection.execute("VACUUM ANALYZE")
            query = "SELECT pg_total_relation_size('kck_publish_entry')"
            (disk,) = connection.execute(query).fetchone() or (0,)
        return disk, memory
    finally:
        os.environ["KCK_BENCH_DATABASE"] = before


if __name__ == "__main__":
    main()
