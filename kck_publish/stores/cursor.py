"""The cursor that the reads of one connection share: what psycopg finds out, it finds out once.

A new cursor looks for the loader of each column anew, which is a fifth of the time of one read. It
is kept with Django's connection, not with psycopg's: a pool may give that to somebody else.

The server plans a read in half the time that it takes: so reads are prepared there, where no pooler
is in between. Django's own statements never are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import ClientCursor
from psycopg.pq import Format, TransactionStatus

from .. import clock, search_path
from ..capture import own_pooled_writes
from ..postgres import Cursor

_KEPT = "kck_publish_cursor"
# In the database's OPTIONS: who names it there has decided about prepared statements.
_THRESHOLD = "prepare_threshold"
# From which execution on a statement is prepared, which takes a round trip of its own.
PREPARE = 5
# What a prepared statement fails with that is gone, or whose table is another one by now.
_STALE = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.FeatureNotSupported)


class _Kept(psycopg.Cursor[Any]):
    """The cursor, and whether its statements are prepared: None where the connection decides."""

    prepares: bool | None = None


def fetch(connection: BaseDatabaseWrapper, query: str, parameters: Sequence[Any]) -> list[Any]:
    """The rows of a statement of the store's own that only reads.

    As by Django's cursor, in half the calls: where nobody counts, logs or wraps what is sent.

    Args:
        connection: Django's.
    """
    if connection.execute_wrappers or connection.queries_logged:
        with kept_cursor(connection) as shared:
            shared.execute(query, parameters)
            return shared.fetchall()
    connection.close_if_health_check_failed()  # as Django's own cursors do
    connection.ensure_connection()
    search_path.prepare(connection)
    connection.validate_thread_sharing()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        kept = vars(connection)
        cursor: _Kept | None = kept.pop(_KEPT, None)  # so that no other thread has it
        if cursor is None or cursor.connection is not connection.connection:
            cursor = _made(connection)
        rows = _fetched(cursor, query, parameters)
    if cursor.pgresult is not None:
        cursor.pgresult.clear()
    kept[_KEPT] = cursor
    return rows


def _fetched(cursor: _Kept, query: str, parameters: Sequence[Any]) -> list[Any]:
    if cursor.prepares is None:
        return cursor.execute(query, parameters).fetchall()
    raw = cursor.connection
    if cursor.prepares:
        before, raw.prepare_threshold = raw.prepare_threshold, PREPARE
        try:
            return cursor.execute(query, parameters).fetchall()
        except _STALE:
            # Somebody has said DISCARD ALL on Django's connection, say. A transaction is lost.
            if raw.info.transaction_status != TransactionStatus.IDLE:
                raise
        finally:
            raw.prepare_threshold = before
        cursor.prepares = False
    return cursor.execute(query, parameters, prepare=False).fetchall()


def _made(connection: BaseDatabaseWrapper) -> _Kept:
    cursor = _Kept(connection.connection)
    cursor.format = Format.BINARY
    if _THRESHOLD not in connection.settings_dict["OPTIONS"]:
        cursor.prepares = own_pooled_writes.is_direct(connection.connection)
    return cursor


@contextmanager
def kept_cursor(connection: BaseDatabaseWrapper) -> Iterator[Cursor]:
    """Django's cursor for the store's own statements. After an error it is not kept.

    Whatever Django's other cursors do, it sends parameters apart from the statement, and is sent
    bytes as bytes. ``capture.statements`` need not look at what is known to read. Under execute
    wrappers it is a cursor that can send several statements at once.

    Args:
        connection: Django's.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    search_path.prepare(connection)
    if connection.execute_wrappers:  # that may put another statement before (pgtrigger.ignore)
        with connection.wrap_database_errors:
            client = ClientCursor(connection.connection)
        yield clock.aware(connection._prepare_cursor(client))  # type: ignore[attr-defined]
        return
    kept = vars(connection)
    cursor: _Kept | None = kept.pop(_KEPT, None)
    if cursor is None or cursor.connection is not connection.connection:
        with connection.wrap_database_errors:
            cursor = _made(connection)
    yield connection._prepare_cursor(cursor)  # type: ignore[attr-defined]
    if cursor.pgresult is not None:
        cursor.pgresult.clear()
    kept[_KEPT] = cursor
