"""Commit to callback, beside the peers that push: django-pgpubsub and procrastinate.

Single rows are changed at a steady rate, each by a transaction of its own; a callback writes down
when it ran. Then 20,000 rows are changed by one statement. Of ours the callback is ``publish``,
which the listener calls and stores the answer, and ``changes`` of a Follower, which is handed the
row and no more, as the peers' are.
django-pgpubsub runs its ``listen`` command with one process, procrastinate its worker with its
defaults, its job deferred by SQL in the transaction of the change. Part of ``push`` and ``drain``.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.figures import markdown, quantile, short
from benchmarks.filling import fill
from benchmarks.pushed.echo import heard
from benchmarks.world import listening

ROWS = 20_000
SECONDS = float(os.environ.get("KCK_BENCH_SECONDS", "5"))
PATIENCE = float(os.environ.get("KCK_BENCH_PATIENCE", "60"))
DEFER = (
    "SELECT procrastinate_defer_jobs_v1(array_agg(ROW('default', 'told', 0, NULL, NULL, "
    "jsonb_build_object('pk', id, 'number', pages), NULL)::procrastinate_job_to_defer_v1)) "
    "FROM benchmarks_queued WHERE pages = %s"
)
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Pusher:
    """Who calls back, and how it is run.

    Attributes:
        table: the one whose changes it is told of.
        start: runs its process.
        defer: what the writer does beside the change, in its transaction.
    """

    name: str
    table: str
    start: Callable[[], AbstractContextManager[object]]
    defer: str = ""


def pushers() -> list[Pusher]:
    """Those that are installed."""
    follow = partial(_command, "kck_follow", "benchmarks.pushed.followers.Echo")
    found = [
        Pusher("kck_publish", "told", listening),
        Pusher("kck_publish, Follower", "followed", follow),
    ]
    if find_spec("pgpubsub"):
        for name, table in (("", "pubsub"), (", lockable", "lockable")):
            channel = f"benchmarks.pushed.channels.{table.capitalize()}Channel"
            start = partial(_command, "listen", "--channels", channel)
            found.append(Pusher(f"django-pgpubsub{name}", table, start))
    if find_spec("procrastinate"):
        start = partial(_command, "procrastinate", "worker")
        found.append(Pusher("procrastinate", "queued", start, DEFER))
    return found


def install(connection: Connection) -> None:
    """The peers' triggers; the world was made with ``KCK_BENCH_PEER=push``."""
    from django.core.management import call_command

    logging.getLogger("pgtrigger").setLevel(logging.WARNING)
    call_command("pgtrigger", "install", verbosity=0)
    fill(connection, [one.table for one in pushers()], ROWS)
    forget(connection)


def forget(connection: Connection) -> None:
    """Empty the table of django-pgpubsub's notifications, where there is one."""
    if find_spec("pgpubsub"):
        connection.execute("TRUNCATE pgpubsub_notification")


@contextmanager
def running(pusher: Pusher, connection: Connection) -> Iterator[str]:
    """Its process, called back once; the file in which it echoes."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kck-bench-"))
        path = str(Path(folder, "echo"))
        os.environ["KCK_BENCH_ECHO"] = path
        try:
            stack.enter_context(pusher.start())
        finally:
            del os.environ["KCK_BENCH_ECHO"]
        end = time.monotonic() + PATIENCE
        while not heard(path):
            change(pusher, connection, _number(), "id = 1")
            time.sleep(0.1)
            if time.monotonic() > end:
                raise TimeoutError(f"{pusher.name} does not call back")
        yield path


@contextmanager
def _command(*arguments: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "django", *arguments],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        # The whole session: the command of django-pgpubsub starts its process and waits.
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


_last = [1_000]


def _number() -> int:
    _last[0] += 1
    return _last[0]


def change(pusher: Pusher, connection: Connection, number: int, which: str) -> float:
    """Change rows in one transaction; when its commit had returned."""
    statement = f"UPDATE benchmarks_{pusher.table} SET pages = {number} WHERE {which}"
    if pusher.defer:
        with connection.transaction():
            connection.execute(statement)
            connection.execute(pusher.defer.replace("%s", str(number)))
    else:
        connection.execute(statement)
    return time.monotonic()


def latencies(pusher: Pusher, connection: Connection, path: str, rate: int) -> list[float]:
    """Seconds from commit to callback, of as many changes a second; infinite: none within time."""
    sent: dict[tuple[int, int], float] = {}
    start = time.monotonic()
    for turn in range(int(rate * SECONDS)):
        time.sleep(max(0.0, start + turn / rate - time.monotonic()))
        number, pk = _number(), turn % ROWS + 1
        sent[pk, number] = change(pusher, connection, number, f"id = {pk}")
    told = _until(path, lambda told: sent.keys() <= told.keys())
    return [max(0.0, told.get(key, float("inf")) - at) for key, at in sent.items()]


def all_at_once(pusher: Pusher, connection: Connection, path: str) -> tuple[int, float]:
    """Change every row by one statement: how many callbacks ran, and in how many seconds."""
    number = _number()
    at = change(pusher, connection, number, "true")

    def ours(told: dict[tuple[int, int], float]) -> list[float]:
        return [moment for (_, one), moment in told.items() if one == number]

    told = ours(_until(path, lambda told: len(ours(told)) >= ROWS))
    return len(told), max(told, default=at) - at


def _until(path: str, done: Callable[[Any], bool]) -> dict[tuple[int, int], float]:
    """What was told, once all was, or nothing more is; the file is read when it rests."""
    end, size = time.monotonic() + PATIENCE, -1
    while True:
        now = Path(path).stat().st_size
        late = time.monotonic() > end
        if now == size or late:
            told = heard(path)
            if late or done(told):
                return told
        size = now
        time.sleep(0.2)


def report_latencies(connection: Connection) -> None:
    """The part of ``push``."""
    rows = [["commit to callback", "changes/s", "p50 ms", "p99 ms", "worst", "not within time"]]
    for pusher in pushers():
        with running(pusher, connection) as path:
            for rate in (200, 1_000) if pusher.table == "told" else (200,):
                found = latencies(pusher, connection, path, rate)
                late = sum(one == float("inf") for one in found)
                parts = [short(quantile(found, part) * 1e3) for part in (0.5, 0.99, 1.0)]
                rows.append([pusher.name, f"{rate:,}", *parts, str(late)])
    markdown(rows)


def report_drain(connection: Connection) -> dict[str, float]:
    """The part of ``drain``: callbacks a second, by who calls."""
    rates = {}
    rows = [[f"{ROWS:,} rows, one statement", "callbacks", "seconds", "callbacks/s"]]
    for pusher in pushers():
        with running(pusher, connection) as path:
            count, took = all_at_once(pusher, connection, path)
            rate = rates[pusher.name] = count / took if took else 0.0
            rows.append([pusher.name, f"{count:,}", short(took), short(rate)])
    print(f"   (stopped after {PATIENCE:g} s)")
    markdown(rows)
    return rates
