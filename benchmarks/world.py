"""Where the benchmarks run: a server, a database of its own, Django on it, and listeners."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from example_app.embedded_postgres import PostgresServer, find_or_start

DATABASE = "kck_publish_bench"
SHOWN = ["fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "wal_level"]


@dataclass(frozen=True)
class World:
    """A server with an empty, migrated database."""

    server: PostgresServer
    url: str

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """A raw connection of one's own, in autocommit."""
        return psycopg.connect(self.url, autocommit=True, **options)


@contextmanager
def world(title: str, settings: Mapping[str, str] | None = None) -> Iterator[World]:
    """Start a server, make the database, set Django up, and say where all this runs.

    Args:
        settings: of a server that is started here.
    """
    # Told to end, it ends what it has started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with find_or_start(settings=settings) as server:
        with psycopg.connect(server.dsn, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            admin.execute(f"CREATE DATABASE {DATABASE}")
        found = World(server, server.dsn_of(DATABASE))
        os.environ["KCK_BENCH_DATABASE"] = found.url
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0, run_syncdb=True)
        _say_where(title, found)
        try:
            yield found
        finally:
            from django.db import connections

            connections.close_all()
            with psycopg.connect(server.dsn, autocommit=True) as admin:
                admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def _say_where(title: str, found: World) -> None:
    import django

    with found.connect() as connection:
        shown = ", ".join(
            f"{name} {connection.execute('SELECT current_setting(%s)', [name]).fetchone()[0]}"  # type: ignore[index]
            for name in SHOWN
        )
        version = connection.info.server_version
    load = os.getloadavg()[0]
    print(f"\n== {title}")
    print(
        f"   {time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, load {load:.1f}, "
        f"PostgreSQL {version // 10000}.{version % 10000}, Python {platform.python_version()}, "
        f"Django {django.__version__}, psycopg {psycopg.__version__}"
    )
    print(f"   {shown}", flush=True)


@dataclass
class ListenerProcess:
    """A running ``kck_listen``."""

    process: subprocess.Popen[str]

    def memory(self) -> int:
        """Its peak resident memory so far, in KiB; 0 where the system does not say."""
        try:
            text = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0
        return int(text.partition("VmHWM:")[2].split()[0])

    def seconds(self) -> float:
        """The processor time it has used; 0 where the system does not say."""
        try:
            text = Path(f"/proc/{self.process.pid}/stat").read_text()
        except OSError:
            return 0.0
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def listening(*arguments: str) -> Iterator[ListenerProcess]:
    """A real ``kck_listen`` process, ready to follow."""
    process = subprocess.Popen(
        [sys.executable, "-m", "django", "kck_listen", *arguments],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "ready" in line:
                break
        else:
            raise RuntimeError(f"kck_listen ended with {process.wait()} before it was ready")
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield ListenerProcess(process)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def asleep(connection: psycopg.Connection[Any], patience: float = 30.0) -> None:
    """Return once every listener sleeps and has seen the whole log."""
    deadline = time.monotonic() + patience
    query = "SELECT coalesce(bool_and(asleep), false) FROM kck_publish_listener"
    while connection.execute(query).fetchone() != (True,):
        if time.monotonic() > deadline:
            raise TimeoutError("the listener does not fall asleep")
        time.sleep(0.002)
    # The flag is set before the last looks: let those end.
    time.sleep(0.01)
