"""Two databases, one broker, and processes between them that may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from django.db import connections
from psycopg import sql

from example_app.embedded_postgres import PostgresServer
from tests.kafka_broker import Broker

ROOT = Path(__file__).resolve().parents[1]


class Command:
    """A management command that runs until it is ended, and begins again after a kill."""

    def __init__(self, environment: dict[str, str], log: Path, *arguments: str) -> None:
        self._environment = environment
        self._log = log
        self._arguments = arguments
        self.process = self._start()

    def kill(self) -> None:
        """SIGKILL, and begin again."""
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def end(self) -> int:
        """SIGTERM; the exit status."""
        self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            return self.process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "django", *self._arguments],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )


@contextmanager
def second_database(server: PostgresServer) -> Iterator[str]:
    """The name of a copy of the test's database, as it is now."""
    name = str(connections["default"].settings_dict["NAME"])
    copy = f"{name}_there"
    connections["default"].close()
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(copy))
        admin.execute(drop)
        query = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        deadline = time.monotonic() + 20
        while True:  # a session that has just been closed may still be there
            with suppress(psycopg.errors.ObjectInUse):
                admin.execute(query.format(sql.Identifier(copy), sql.Identifier(name)))
                break
            assert time.monotonic() < deadline, "the database is in use"
            time.sleep(0.05)
        yield copy
        admin.execute(drop)


def environment(server: PostgresServer, database: str, broker: Broker, side: str) -> dict[str, str]:
    """For a process that works in a database."""
    kafka: dict[str, Any] = broker.settings
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.kafka_app.settings",
        "KCK_TEST_DATABASE": server.dsn_of(database),
        "KCK_TEST_KAFKA": json.dumps(kafka),
        "KCK_TEST_SIDE": side,
        "KCK_TEST_SILENCED": "fields.E210",
        "PYTHONUNBUFFERED": "1",
    }


def rows(server: PostgresServer, database: str, query: str) -> list[tuple[Any, ...]]:
    """What a query gives in a database."""
    with psycopg.connect(server.dsn_of(database), autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description is not None else []
