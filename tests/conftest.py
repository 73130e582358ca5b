"""The test bed: one PostgreSQL for the whole run, shared by all xdist workers.

The server is started by the first process (the xdist controller, or pytest itself) and announced to
the others through KCK_TEST_DATABASE; each worker makes its own database in it. KCK_TEST_POSTGRES
picks the version (16, 18, or one that Debian has installed); with DATABASE_URL set, the server it
names is used instead.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from hypothesis import HealthCheck, settings

from example_app.embedded_postgres import EmbeddedPostgres, PostgresServer, find_or_start
from kck_publish import log_lines, search_path
from kck_publish.products import strict
from tests.zoo import WARNED_OF

# What the entry point gives to whoever has installed the library; here it need not be.
pytest_plugins = ["kck_publish.pytest_plugin"]

# No property is timed: Hypothesis would fail an example that takes 200 ms on a busy machine. Loaded
# before any test module, whose decorators take what holds then.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

ADDRESS = "KCK_TEST_DATABASE"
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "400"}
SERVER = pytest.StashKey[PostgresServer]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the server in the process that is nobody's worker."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what is in the background so, and what tests interrupt inherits it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    version = int(os.environ.get("KCK_TEST_POSTGRES", "18"))
    server = config.stash[SERVER] = find_or_start(version, FAST_SETTINGS)
    os.environ[ADDRESS] = server.dsn


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop it when the last worker is done. (Its supervisor does, should we be killed.)"""
    if server := config.stash.get(SERVER, None):
        os.environ.pop(ADDRESS, None)
        server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """The server that the tests' databases are in. It is shared: do not restart it."""
    return PostgresServer.from_url(os.environ[ADDRESS])


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    postgres_server: PostgresServer, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Point Django at the server: pytest-django read the settings before there was one."""
    for alias in connections.settings:
        settings = connections[alias].settings_dict
        ours = postgres_server.database_settings()
        settings.update({key: ours[key] for key in ("HOST", "PORT", "USER", "PASSWORD", "OPTIONS")})


@pytest.fixture
def process_environment(postgres_server: PostgresServer, transactional_db: None) -> dict[str, str]:
    """The environment for a process that works on this test's own database."""
    name = connections["default"].settings_dict["NAME"]
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        ADDRESS: postgres_server.dsn_of(str(name)),
        "KCK_TEST_SILENCED": WARNED_OF,
    }


@pytest.fixture(autouse=True)
def no_held_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has logged holds back no line of another."""
    monkeypatch.setattr(log_lines, "flood", log_lines.Flood())


@pytest.fixture(autouse=True)
def no_switched_schema() -> Iterator[None]:
    """A test that has changed a search path leaves neither the session nor the note of it.

    A process that has once changed one looks for its schema, and so connects, with each read.
    """
    yield
    if search_path.switches():
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:  # whose rollback sets it back
                connection.close()
        search_path.forget()


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, to restart and to crash."""
    with EmbeddedPostgres.start(int(os.environ.get("KCK_TEST_POSTGRES", "18"))) as server:
        yield server


@pytest.fixture(autouse=True, scope="session")
def strict_where_a_test_says_so() -> Iterator[None]:
    """Products of these tests read what they like; test_strict_tests has what a project has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict, "in_test_run", lambda: False)
        yield


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """`wait_until(condition, seconds=60)`: call until it answers something true, and return that.

    Fails the test, naming the condition, when it does not within the time.
    """

    def wait(condition: Callable[[], Any], seconds: float = 60.0, what: str = "") -> Any:
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f"not within {seconds} s: {what or condition}")
            time.sleep(0.01)
        return result

    return wait
