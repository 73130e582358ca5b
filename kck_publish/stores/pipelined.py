"""Several statements on Django's connection, for one wait: a transaction's first, or its last.

Where each statement is to be seen (execute wrappers, a log of queries) or told settings
(``capture.local_settings``), or a pooler is in between, the caller sends them one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from .. import clock
from ..capture import local_settings, own_pooled_writes
from ..postgres import Asked, Cursor
from .types import Query

BEGIN = "BEGIN"
REPEATABLE_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ"


def is_possible(connection: BaseDatabaseWrapper) -> bool:
    """Whether statements may be sent to this connection past Django's cursors, several at once."""
    raw = connection.connection
    return (
        raw is not None
        and not connection.execute_wrappers
        and not connection.queries_logged
        and raw.info.pipeline_status == psycopg.pq.PipelineStatus.OFF
        and own_pooled_writes.is_direct(raw)
        and not local_settings.concerns(raw)
        and psycopg.Pipeline.is_supported()
    )


def may_begin(connection: BaseDatabaseWrapper) -> bool:
    """Whether ``begin`` may be called: in an outermost block that has sent nothing yet."""
    return (
        is_possible(connection)
        and not connection.savepoint_ids
        and connection.connection.info.transaction_status == TransactionStatus.IDLE
    )


def may_end(connection: BaseDatabaseWrapper) -> bool:
    """Whether ``end`` may be called: the transaction is one that ``begin`` has begun."""
    return (
        is_possible(connection)
        and not connection.savepoint_ids
        and not connection.needs_rollback
        and connection.connection.autocommit
        and connection.connection.info.transaction_status == TransactionStatus.INTRANS
    )


def begin(
    connection: BaseDatabaseWrapper, statements: Sequence[str], *queries: Asked
) -> list[list[Any]]:
    """Begin the transaction of Django's block, and ask; the rows by query. See ``may_begin``.

    psycopg waits for a BEGIN that it sends itself. So it is told that it need not: what it takes
    for autocommit is a transaction for all that, which Django's block ends as always.

    Args:
        statements: the BEGIN, and what is to come before the queries.
    """
    connection.connection.autocommit = True
    with _pipeline(connection) as raw:
        for statement in statements:
            psycopg.Cursor(raw).execute(statement)
        cursors = _sent(raw, queries)
    return [cursor.fetchall() for cursor in cursors]


def ask(connection: BaseDatabaseWrapper, *queries: Asked) -> list[list[Any]]:
    """The rows of several queries. See ``is_possible``."""
    with _pipeline(connection) as raw:
        cursors = _sent(raw, queries)
    return [cursor.fetchall() for cursor in cursors]


def end(
    connection: BaseDatabaseWrapper, write: Callable[[Cursor], None], query: Query
) -> list[Any] | None:
    """Write, commit, and only then ask. See ``may_end``.

    Args:
        write: is given a cursor; what it fetches it waits for.

    Returns:
        the rows of the query; None: it has failed, and what was written is committed.

    Raises:
        DatabaseError: the transaction has failed, or its end is not known.
    """
    commit, asked = (psycopg.Cursor(connection.connection) for _ in range(2))
    try:
        with _pipeline(connection) as raw:
            with raw.cursor() as cursor:  # of the class that notices what is written
                write(cursor)
            commit.execute("COMMIT")
            asked.execute(*query)
    except DatabaseError:
        if commit.statusmessage != "COMMIT":
            raise
        return None
    return asked.fetchall()


@contextmanager
def _pipeline(connection: BaseDatabaseWrapper) -> Iterator[psycopg.Connection[Any]]:
    raw: psycopg.Connection[Any] = connection.connection
    first: psycopg.Error | None = None
    with connection.wrap_database_errors:
        try:
            with raw.pipeline():
                try:
                    yield raw
                except psycopg.Error as error:  # else psycopg logs that the rest is aborted
                    first = error
        except psycopg.Error:
            if first is None:
                raise
        if first is not None:
            raise first


def _sent(raw: psycopg.Connection[Any], queries: Sequence[Asked]) -> list[psycopg.Cursor[Any]]:
    cursors = [psycopg.Cursor(raw) for _ in queries]
    for cursor, query in zip(cursors, queries, strict=True):
        clock.aware(cursor).execute(*query)
    return cursors
