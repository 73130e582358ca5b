"""What the soak works on: a PostgreSQL that may be restarted, and a Redis if asked for."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

from example_app.embedded_postgres import EmbeddedPostgres
from tests.with_parent import with_parent

# No crash of the machine is among the faults, so nothing need reach the disk. What an immediate
# restart loses is what the server had not yet given to the kernel.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "deadlock_timeout": "200ms",
    # So that the server itself notices clients that are stopped in the middle of a transaction.
    "idle_in_transaction_session_timeout": "60s",
}
DATABASE = "soak"


def start_postgres(version: int) -> EmbeddedPostgres:
    """A server with an empty database for the soak."""
    server = EmbeddedPostgres.start(version, SETTINGS)
    with closing(psycopg.connect(server.dsn, autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    return server


def keep(server: EmbeddedPostgres, folder: Path) -> None:
    """Copy the data directory of a server that nobody uses any more, before it is thrown away."""
    with closing(psycopg.connect(server.dsn, autocommit=True)) as connection:
        connection.execute("CHECKPOINT")
    ignored = shutil.ignore_patterns("postmaster.pid")
    shutil.copytree(Path(server.socket_dir) / "data", folder / "data", ignore=ignored)
    shutil.copy(Path(server.socket_dir) / "log", folder / "postgres.log")


@dataclass
class Redis:
    """A redis-server of the soak's own, that keeps nothing on disk."""

    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path) -> Redis:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        with (folder / "redis.log").open("wb") as log:
            process = subprocess.Popen(
                with_parent(
                    *("redis-server", "--port", str(port), "--bind", "127.0.0.1"),
                    *("--save", "", "--appendonly", "no"),
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return cls(port, process)
            time.sleep(0.01)
        process.kill()
        process.wait()
        raise RuntimeError("redis-server did not start: is it installed?")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """FLUSHALL, by somebody's hand."""
        with closing(socket.create_connection(("127.0.0.1", self.port), 10)) as client:
            client.sendall(b"FLUSHALL\r\n")
            client.recv(100)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
