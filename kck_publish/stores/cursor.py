"""The cursor that the reads of one connection share: what psycopg finds out, it finds out once.

A new cursor looks for the loader of each column anew, which is a fifth of the time of one read. It
is kept with Django's connection, not with psycopg's: a pool may give that to somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import ClientCursor
from psycopg.pq import Format

from .. import clock, search_path
from ..postgres import Cursor

_KEPT = "kck_publish_cursor"


@contextmanager
def kept_cursor(connection: BaseDatabaseWrapper) -> Iterator[Cursor]:
    """Django's cursor for the store's own statements. After an error it is not kept.

    Whatever Django's other cursors do, it sends parameters apart from the statement, and is sent
    bytes as bytes. It prepares statements on the server where ``prepare_threshold`` in the
    database's OPTIONS says that nothing in between minds, and Django's never do.
    ``capture.statements`` need not look at what is known to read. Under execute wrappers it is a
    cursor that can send several statements at once.

    Args:
        connection: Django's.
    """
    connection.close_if_health_check_failed()  # as Django's own cursors do
    connection.ensure_connection()
    search_path.prepare(connection)
    if connection.execute_wrappers:  # that may put another statement before (pgtrigger.ignore)
        with connection.wrap_database_errors:
            client = ClientCursor(connection.connection)
        yield clock.aware(connection._prepare_cursor(client))  # type: ignore[attr-defined]
        return
    kept = vars(connection)
    cursor: psycopg.Cursor[Any] | None = kept.pop(_KEPT, None)  # so that no other thread has it
    if cursor is None or cursor.connection is not connection.connection:
        with connection.wrap_database_errors:
            cursor = psycopg.Cursor(connection.connection)
        cursor.format = Format.BINARY
    yield connection._prepare_cursor(cursor)  # type: ignore[attr-defined]
    if cursor.pgresult is not None:
        cursor.pgresult.clear()
    kept[_KEPT] = cursor
