"""What the tests of the catalog share: draining, other sessions, and what was computed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from django.core.cache import caches
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from kck_publish import stores
from kck_publish.following.capture import CaptureWatch
from kck_publish.listener.listener import Listener
from kck_publish.listener.near_follower import NearFollower
from kck_publish.listener.near_loop import following
from kck_publish.listener.session import Tell
from kck_publish.log.snapshot import take
from kck_publish.products import registry
from kck_publish.refresh.outcome import Outcome
from kck_publish.stores import Address, Stored, Written
from kck_publish.stores.near import reader as near_reader
from kck_publish.stores.near.format import LEASE, Lease, read_lease
from tests.catalog import primers
from tests.testbed import captures


def drain() -> Outcome:
    """What ``kck_listen --once`` does; the connection is another one afterwards, as elsewhere.

    Captures that nobody has touched since they were repaired are not looked at.
    """
    with pytest.MonkeyPatch.context() as patch:
        if captures.are_repaired(connections["default"]):
            patch.setattr(CaptureWatch, "look", lambda self: None)
        outcome = Listener("default", stored=_tell).once()
    settle()
    connections["default"].close()
    return outcome


# Who is told what a ``drain`` has stored, as the near store is in the listener's process.
told: list[Tell] = []


def _tell(keys: Sequence[str], written: Written) -> None:
    for tell in told:
        tell(keys, written)


# What ``drain`` waits for besides.
drained: list[Callable[[], None]] = []


def settle() -> None:
    """Wait until a near store, if one is followed here, has what is stored now."""
    for wait in drained:
        wait()


def lease_of(path: str) -> Lease:
    """The lease in a near store's file, which its reader need not have looked at again."""
    reader, deadline = near_reader.reader(path), time.monotonic() + 10
    reader.get("", "")  # opens it
    while reader._env is None:  # a file that was not there is looked for again, but not at once
        assert time.monotonic() < deadline
        time.sleep(0.01)
        reader.get("", "")
    return read_lease(reader._env.begin().get(LEASE))


@contextmanager
def listening() -> Iterator[Listener]:
    """Within the block a listener follows, in a thread of its own; it has fallen asleep."""
    listener = Listener("default", say=lambda line: None)
    running = Session(listener.run)
    try:
        assert listener.moments.asleep.wait(120)
        yield listener
    finally:
        listener.stop()
        running.result()


@contextmanager
def followed(path: str) -> Iterator[None]:
    """Within the block a near store is followed; drained means that it holds all there is.

    Args:
        path: its file, which the settings name.
    """

    def copied() -> None:
        now, deadline = take(connection.cursor()), time.monotonic() + 20
        while reader._done() is None or not reader.includes(now):
            assert time.monotonic() < deadline, "the near store's follower does not come on"
            time.sleep(0.001)
        missing = sql("SELECT key, fingerprint FROM kck_publish_entry")
        deadline = time.monotonic() + 0.5  # some are stored elsewhere, and lost there
        while missing and time.monotonic() < deadline:
            for one in missing:  # again, too: the follower's socket holds few questions at a time
                reader.ask(*one)
            time.sleep(0.001)
            missing = [one for one in missing if not reader.get(*one)]

    follower, reader = NearFollower("default"), near_reader.reader(path)
    drained.append(copied)
    try:
        with following(follower):
            assert follower.following.wait(20)
            copied()
            yield
    finally:
        drained.remove(copied)
        reader.close()


def stored(key: str) -> Stored | None:
    """The entry under a key, as it is; nothing is primed."""
    product = registry.find(key)
    assert product is not None, key
    store = stores.current()
    with connections[store.alias].cursor() as cursor:
        return store.look(cursor, [Address(key, product.fingerprint)]).entries.get(key)


def physical(key: str) -> tuple[Any, ...] | None:
    """What shows whether an entry has been written at all: its version, xmin and place."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT version, xmin::text, ctid::text FROM kck_publish_entry WHERE key = %s", [key]
        )
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def sql(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run SQL on Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description is not None else []


# What a history leaves in the library's own tables.
OURS = (
    "kck_publish_edge", "kck_publish_entry", "kck_publish_failure", "kck_publish_shard",
    "kck_publish_backlog", "kck_publish_change", "kck_publish_pause", "kck_publish_postponed",
)  # fmt: skip


def empty(*tables: str) -> None:
    """Delete all rows of tables, in this order. (TRUNCATE makes new files: it takes 300 times as
    long.)"""
    sql("; ".join(f"DELETE FROM {table}" for table in tables))


@contextmanager
def another_session(autocommit: bool = True) -> Iterator[psycopg.Connection[Any]]:
    """A connection of another program, which knows nothing of Django."""
    parameters = connection.get_connection_params()
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    with closing(psycopg.connect(**(parameters | {"autocommit": autocommit}))) as other:
        yield other


@contextmanager
def reads(store: int, source: int = 0) -> Iterator[None]:
    """The block looks at the store so often, and queries the sources so often."""
    connection.ensure_connection()
    with CaptureQueriesContext(connection) as queries:
        yield
    asked = [one["sql"] for one in queries]
    assert (
        sum("kck_publish_entry" in one for one in asked),
        sum("kck_publish_entry" not in one for one in asked),
    ) == (store, source), asked


@contextmanager
def computes() -> Iterator[list[str]]:
    """The names of what is computed within the block (``name+`` for an augment), in order."""
    before = len(primers.computed)
    seen: list[str] = []
    yield seen
    seen += [name for name, _ in primers.computed[before:]]


@contextmanager
def interfering(call: Callable[[str, Any], None]) -> Iterator[None]:
    """Call this at the start of each compute and augment of the catalog."""
    primers.interfere.append(call)
    try:
        yield
    finally:
        primers.interfere.remove(call)


class Session(threading.Thread):
    """Runs a function in a thread, with a database connection of its own."""

    def __init__(self, run: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._run = run
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._run()
        except BaseException as error:  # noqa: BLE001 - raised again by ``result``
            self._error = error
        finally:
            connections.close_all()
            caches.close_all()

    def result(self, seconds: float = 20.0) -> Any:
        """What the function returned or raised."""
        self.join(seconds)
        assert not self.is_alive(), "the session did not end"
        if self._error is not None:
            raise self._error
        return self._result


class Gate:
    """Holds the computes of one product until it is opened; tells when one has arrived."""

    def __init__(self, product: str) -> None:
        self._product = product
        self._arrived = threading.Event()
        self._open = threading.Event()
        self.entered = 0

    def __call__(self, product: str, parameters: Any) -> None:
        if product == self._product:
            self.entered += 1
            self._arrived.set()
            assert self._open.wait(20), "nobody opened the gate"

    def wait(self) -> None:
        """Until a compute is held here."""
        assert self._arrived.wait(20), f"{self._product} was not computed"

    def holds(self, session: Session) -> bool:
        """Whether a compute of the session is held here; False once it has ended without one."""
        while session.is_alive() and not self._arrived.is_set():
            self._arrived.wait(0.002)
        if not self._arrived.is_set():
            session.result()
        return self._arrived.is_set()

    def open(self) -> None:
        """Let the computes go on."""
        self._open.set()
