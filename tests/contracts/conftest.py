"""Every store behind one suite: PostgreSQL, a local-memory cache, a real Redis, a real Memcached.

The servers are started on free ports when the first test asks for them, and killed at the end.
"""

from __future__ import annotations

import gc
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches

from kck_publish import stores
from kck_publish.stores.cache_entries import entries_of
from tests.catalog.fixtures import followed
from tests.optional import needs
from tests.with_parent import with_parent

ROOT = Path(__file__).parents[2]
STORES = (
    "postgres",
    "locmem",
    *(
        pytest.param(store, marks=pytest.mark.long)
        for store in ("redis", "memcached", "postgres+near", "redis+near")
    ),
)


@dataclass
class Server:
    """One real server, which a test may stop (it hangs up) and start again, empty."""

    command: list[str]
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = subprocess.Popen(
            with_parent(*self.command),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, f"{self.command[0]} does not answer"
                time.sleep(0.02)

    def stop(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


def _server(program: str, *arguments: str) -> Iterator[Server]:
    path = needs(program)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server([path, *(one.format(port=port) for one in arguments)], port)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """A Redis that keeps nothing on disk."""
    yield from _server(
        "redis-server",
        "--port",
        "{port}",
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        "/tmp",
    )


@pytest.fixture
def saved_redis(tmp_path: Path) -> Iterator[Server]:
    """A Redis that starts from what it was last told to SAVE."""
    yield from _server(
        "redis-server",
        *("--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)),
    )


@pytest.fixture(scope="session")
def memcached_server() -> Iterator[Server]:
    """A Memcached; values of more than 1 MB are refused, as by default."""
    yield from _server("memcached", "-l", "127.0.0.1", "-p", "{port}", "-u", "nobody")


@dataclass
class Backend:
    """The store under test.

    Attributes:
        kind: one of STORES, without what is before it.
        server: what can be stopped; None where there is nothing to stop.
        near: whether a near store is read before it.
    """

    kind: str
    server: Server | None = None
    near: bool = False

    @property
    def outside(self) -> bool:
        """Whether values are outside the database."""
        return self.kind != "postgres"

    def flush(self) -> None:
        """Lose all values, as an operator does it."""
        assert self.outside
        caches["shared"].clear()


@pytest.fixture(params=STORES)
def backend(request: pytest.FixtureRequest, settings: Any) -> Iterator[Backend]:
    """One store after the other, empty, and named by the settings; a near store before some."""
    kind, _, near = request.param.partition("+")
    server = None
    if kind in ("redis", "memcached"):
        server = request.getfixturevalue(f"{kind}_server")
    options: dict[str, dict[str, Any]] = {
        "postgres": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        "locmem": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "kck"},
        "redis": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{server.port if server else 0}/0",
        },
        "memcached": {
            "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
            "LOCATION": f"127.0.0.1:{server.port if server else 0}",
        },
    }
    settings.CACHES = {"default": settings.CACHES["default"], "shared": options[kind]}
    settings.KCK_PUBLISH = {"STORE": "postgres" if kind == "postgres" else "cache:shared"}
    stores._store.cache_clear()
    entries_of.cache_clear()  # what is known of its server
    caches["shared"].clear()
    with ExitStack() as stack:
        if near:
            request.getfixturevalue("transactional_db")
            path = str(request.getfixturevalue("tmp_path") / "near")
            settings.KCK_PUBLISH |= {"NEAR": path, "NEAR_LEASE": 1.0}
            stack.enter_context(followed(path))
        yield Backend(kind, server, bool(near))
    if server is not None and server.process is None:
        server.start()
    caches["shared"].clear()
    caches.close_all()
    stores._store.cache_clear()


@pytest.fixture
def external(backend: Backend) -> Backend:
    """A store outside the database."""
    if not backend.outside:
        pytest.skip("values in PostgreSQL come and go with their rows")
    return backend


@pytest.fixture
def bare(external: Backend) -> Backend:
    """A store outside the database that is read itself: its copies would outlive it."""
    if external.near:
        pytest.skip("a near store serves what the cache has lost")
    return external


@pytest.fixture
def stoppable(external: Backend) -> Iterator[Server]:
    """The server of the store, where it is one that can be stopped."""
    if external.server is None:
        pytest.skip("the local-memory cache has no server")
    yield external.server
    gc.collect()  # here, where the sockets that pymemcache has dropped are expected
