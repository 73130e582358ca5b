"""PostgreSQL: cursors, the listener's own connections, and which errors pass by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, LiteralString, Protocol, Self, TypeAlias, TypeVar

import psycopg
from django.db import InterfaceError as DjangoInterfaceError
from django.db import OperationalError as DjangoOperationalError
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql
from psycopg.adapt import AdaptersMap
from psycopg.pq import TransactionStatus

from . import search_path
from .direct_connection import direct_settings, refuse_pooler
from .exceptions import ConfigurationError

Statement: TypeAlias = LiteralString | sql.SQL | sql.Composed
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]
# A statement and its parameters, by place or by name.
Asked: TypeAlias = tuple[str, Parameters]

# How long the listener waits for a lock that somebody else (a TRUNCATE, a migration) holds.
LOCK_TIMEOUT = "5s"
# A connection whose packets are dropped is noticed in half a minute, not in hours; a value of the
# settings' own goes before these.
KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
# What ends a session that takes its time, by the server's version that has it first.
UNLIMITED = {
    "idle_in_transaction_session_timeout": 90600,
    "idle_session_timeout": 140000,
    "transaction_timeout": 170000,
}
View = TypeVar("View", bound=Callable[..., Any])
# From which execution on a statement of the library's own is prepared (see ``round_trip``).
PREPARE = 3


class Cursor(Protocol):
    """The part of a cursor that this library uses: Django's and psycopg's both have it."""

    @property
    def adapters(self) -> AdaptersMap:
        """The adapters of values for this cursor only."""

    @property
    def rowcount(self) -> int:
        """The number of rows that the last statement has given or changed."""

    def execute(self, query: Statement, params: Parameters | None = None, /) -> Any:
        """Send one statement."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Row by row."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


def outside_transactions(view: View) -> View:
    """The view, which no ATOMIC_REQUESTS encloses: it answers where no transaction can begin."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def connect(alias: str) -> psycopg.Connection[Any]:
    """A connection of the listener's own: never the one that user code computes on.

    The listener's writes need not wait for the disk: a crash loses the tail of values, stamps and
    cursor together, and the batch is repeated.

    Raises:
        ConfigurationError: a pooler is in between.
        django.db.OperationalError: nobody answers; as where Django connects.
    """
    wrapper = connections[alias].copy()
    wrapper.settings_dict = direct_settings(alias)
    parameters = KEEPALIVE | {"application_name": "kck_publish"} | wrapper.get_connection_params()
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    # RoundTrip prepares. Where psycopg does too, it says DEALLOCATE ALL after a ROLLBACK, and so
    # throws away what both have prepared.
    parameters |= {"prepare_threshold": None, "autocommit": True}
    with wrapper.wrap_database_errors:
        connection = psycopg.connect(**parameters)
    refuse_pooler(connection)
    connection.execute("SET synchronous_commit = off")
    # Plans are kept, and many are made while the tables are empty: a scan of the whole table, which
    # is cheapest then, would stay. All that is asked often has its index. Before PostgreSQL 18 a
    # scan that cannot be avoided seems to cost so much that the server would compile the statement.
    connection.execute("SET enable_seqscan = off")
    connection.execute("SET jit = off")
    connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    unlimited(connection)
    if (path := search_path.of_session(alias)) is not None:
        connection.execute("SELECT set_config('search_path', %s, false)", [path])
    return connection


def unlimited(connection: psycopg.Connection[Any]) -> None:
    """Have the server end no session of ours because it is idle, or its transaction long.

    Such limits of a role, or of the server, are against clients that forget to commit. Where the
    listener computes, a transaction takes as long as its keys do.
    """
    since = connection.info.server_version
    names = [name for name, version in UNLIMITED.items() if since >= version]
    query = "SELECT set_config(name, '0', false) FROM unnest(%s::text[]) AS name"
    connection.execute(query, [names])


@contextmanager
def autocommitting(alias: str) -> Iterator[None]:
    """Meanwhile each statement of Django's connection commits, whoever else calls ``commit()``.

    Raises:
        ConfigurationError: a transaction is open, whose outcome only its owner knows.
    """
    connection = connections[alias]
    connection.ensure_connection()
    if connection.in_atomic_block or connection.get_autocommit():
        yield
        return
    if connection.connection.info.transaction_status != TransactionStatus.IDLE:
        raise ConfigurationError(
            f"Autocommit is off for {alias!r}, and a transaction is open, of which nothing else "
            "is seen: call commit() or rollback() first."
        )
    connection.set_autocommit(True)
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            connection.set_autocommit(False)
        connection.autocommit = False


def is_of_test(block: object) -> bool:
    """Whether an atomic block is the one that Django's TestCase puts around a test."""
    return getattr(block, "_from_testcase", False)


def is_in_test(connection: BaseDatabaseWrapper) -> bool:
    """Whether a connection is in the transaction that Django's TestCase puts around a test."""
    return connection.in_atomic_block and any(map(is_of_test, connection.atomic_blocks))


def is_read_only(error: BaseException) -> bool:
    """Whether an error says that the server takes no writes: it is a standby, or became one."""
    return isinstance(error.__cause__ or error, psycopg.errors.ReadOnlySqlTransaction)


def is_locked(error: BaseException) -> bool:
    """Whether an error says that somebody else has held a lock for too long."""
    return isinstance(error.__cause__ or error, psycopg.errors.LockNotAvailable)


def is_passing(error: Exception) -> bool:
    """Whether an error says that the database is away, a standby, or that somebody held a lock."""
    passing = (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        DjangoOperationalError,
        DjangoInterfaceError,
    )
    return isinstance(error, passing) or is_read_only(error)


def describe(error: Exception) -> str:
    """The type of the database's own error, and what it says in its first line."""
    cause = error.__cause__ or error
    if not isinstance(cause, psycopg.Error):
        return type(cause).__name__
    said = cause.diag.message_primary or str(cause).partition("\n")[0]
    return f"{type(cause).__name__}: {said}" if said else type(cause).__name__
