"""A migrated database on a server of the tests' own, which may be restarted and crashed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from example_app.embedded_postgres import EmbeddedPostgres, PostgresServer
from tests.acceptance.test_listener_process import Process
from tests.faults.proxy import Proxy
from tests.zoo import WARNED_OF

ROOT = Path(__file__).parents[2]
VERSION = int(os.environ.get("KCK_TEST_POSTGRES", "18"))


def environment_for(dsn: str) -> dict[str, str]:
    """For a process that works on this database."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.listener_settings",
        "KCK_TEST_DATABASE": dsn,
        "KCK_TEST_SILENCED": WARNED_OF,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
    }


def migrate(server: PostgresServer) -> None:
    """Make the tables in a new server's own database."""
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--run-syncdb", "-v", "0"],
        env=environment_for(server.dsn),
        cwd=ROOT,
        check=True,
    )


@pytest.fixture(scope="session")
def restartable() -> Iterator[EmbeddedPostgres]:
    """A server of our own, durable as PostgreSQL is by default."""
    with EmbeddedPostgres.start(VERSION) as server:
        migrate(server)
        yield server


@pytest.fixture
def moved_to(django_db_blocker: Any, django_db_setup: None) -> Iterator[Callable[..., None]]:
    """``moved_to(server)``: Django's connection is to that server until the test ends."""
    connection = connections["default"]
    before = dict(connection.settings_dict)

    def move(server: PostgresServer) -> None:
        connection.close()
        ours = server.database_settings()
        connection.settings_dict.update(
            {key: ours[key] for key in ("HOST", "PORT", "USER", "PASSWORD", "NAME")}
        )

    with django_db_blocker.unblock():
        yield move
        connection.close()
        connection.settings_dict.update(before)


@pytest.fixture
def listening() -> Iterator[Callable[..., Process]]:
    """``listening(dsn, *arguments, **settings)``: a ``kck_listen``, killed at the end."""
    started: list[Process] = []

    def start(dsn: str, *arguments: str, **settings: Any) -> Process:
        environment = environment_for(dsn) | {"KCK_TEST_PUBLISH": repr(settings)}
        started.append(Process(environment, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.popen.poll() is None:
            one.popen.kill()
            one.wait()


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[Proxy]:
    """The network between a client and the tests' server."""
    with Proxy(postgres_server.host, postgres_server.port) as proxy:
        yield proxy
