"""A real PgBouncer over the tests' server, and Django's connection led through it."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connection, connections

from tests.optional import needs

PROGRAM = "/usr/sbin/pgbouncer"
_CONFIGURATION = """
[databases]
{databases}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
ignore_startup_parameters = extra_float_digits
{more}"""


@contextmanager
def pgbouncer(mode: str, size: int = 1) -> Iterator[int]:
    """Run one before the server of Django's default connection.

    Args:
        mode: "transaction" or "session".
        size: how many sessions of the server its clients share.

    Yields:
        The port it listens on.
    """
    server = connection.settings_dict
    databases = f"* = host={server['HOST']} port={server['PORT']} user={server['USER']}"
    name, user = str(server["NAME"]), str(server["USER"])
    with run_pgbouncer(databases, mode, size, user, name) as port:
        yield port


@contextmanager
def run_pgbouncer(
    databases: str, mode: str, size: int, user: str, name: str, more: str = ""
) -> Iterator[int]:
    """Run one with these lines of configuration.

    Args:
        databases: the section of this name.
        mode: "transaction" or "session".
        size: how many sessions the clients of each database share.
        user: of the server.
        name: of the database that it must answer for before this begins.
        more: settings of PgBouncer's own.

    Yields:
        The port it listens on.
    """
    program = needs(PROGRAM, "pgbouncer")
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        configuration = Path(folder, "pgbouncer.ini")
        configuration.write_text(
            _CONFIGURATION.format(databases=databases, listen=port, mode=mode, size=size, more=more)
        )
        Path(folder).chmod(0o755)
        as_nobody = ["-u", "nobody"] if os.getuid() == 0 else []
        process = subprocess.Popen(
            [program, "-q", *as_nobody, str(configuration)], stderr=subprocess.DEVNULL
        )
        try:
            _wait(port, user, name)
            yield port
        finally:
            process.kill()
            process.wait()


def _wait(port: int, user: str, name: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user=user, dbname=name).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "PgBouncer does not answer"
            time.sleep(0.02)


def connect(port: int, name: str = "") -> psycopg.Connection[tuple[object, ...]]:
    """A client of PgBouncer that knows nothing of Django."""
    return psycopg.connect(
        host="127.0.0.1",
        port=port,
        user=connection.settings_dict["USER"],
        dbname=name or str(connection.settings_dict["NAME"]),
        autocommit=True,
        prepare_threshold=None,
    )


@contextmanager
def django_through(port: int) -> Iterator[None]:
    """Django's default connection, of each thread, goes through a PgBouncer."""
    settings = connection.settings_dict
    before = settings["HOST"], settings["PORT"]
    connections.close_all()
    settings.update(HOST="127.0.0.1", PORT=port)
    try:
        yield
    finally:
        connections.close_all()
        settings["HOST"], settings["PORT"] = before
