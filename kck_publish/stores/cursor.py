"""How the reads of a connection ask the store: past Django's cursors, by a round trip that is kept.

A new one would look for the loader of each column anew, which is a fifth of the time of one read.
It is kept with Django's connection, not with psycopg's: a pool may give that to somebody else.

The server plans a read in half the time that it takes: so reads are prepared there, where no pooler
is in between, and where OPTIONS leave it to us.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import ClientCursor
from psycopg.pq import Format, PipelineStatus, TransactionStatus

from .. import clock, search_path
from ..round_trip import STALE, RoundTrip
from .pipelined import prepares

_KEPT = "kck_publish_reads"
_ENCODING = b"client_encoding"


class _Reads(RoundTrip):
    """What is kept, for texts in the encoding that the connection has when it is made."""

    def __init__(self, connection: psycopg.Connection[Any], prepares: bool) -> None:
        super().__init__(connection, prepares, binary=True)
        self._encoding = connection.pgconn.parameter_status(_ENCODING)

    def fits(self, raw: psycopg.Connection[Any]) -> bool:
        """Whether it can go on serving this connection."""
        is_same = self.connection is raw
        return is_same and self._encoding == raw.pgconn.parameter_status(_ENCODING)


def fetch(connection: BaseDatabaseWrapper, query: str, parameters: Sequence[Any]) -> list[Any]:
    """The rows of a statement of the store's own that only reads.

    As by Django's cursor, in a fraction of the calls: where nobody counts, logs or wraps what is
    sent. ``capture.statements`` need not look at what is known to read.

    Args:
        connection: Django's.
    """
    connection.close_if_health_check_failed()  # as Django's own cursors do
    connection.ensure_connection()
    search_path.prepare(connection)
    if connection.execute_wrappers or connection.queries_logged or _is_left_to_psycopg(connection):
        return _fetched_by_cursor(connection, query, parameters)
    connection.validate_thread_sharing()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        kept = vars(connection)
        reads: _Reads | None = kept.pop(_KEPT, None)  # so that no other thread has it
        raw = connection.connection
        if reads is None or not reads.fits(raw):
            reads = _Reads(raw, prepares(connection))
        try:
            rows = reads.ask(query, parameters)
        except STALE:
            # Somebody has said DISCARD ALL on Django's connection, say. A transaction is lost.
            if raw.info.transaction_status != TransactionStatus.IDLE:
                raise
            reads.prepare_no_more()
            rows = reads.ask(query, parameters)
    kept[_KEPT] = reads
    return rows


def _is_left_to_psycopg(connection: BaseDatabaseWrapper) -> bool:
    """Whether somebody has begun a pipeline of psycopg's, or has psycopg prepare statements."""
    raw = connection.connection
    return raw.pgconn.pipeline_status != PipelineStatus.OFF or raw.prepare_threshold is not None


def _fetched_by_cursor(
    connection: BaseDatabaseWrapper, query: str, parameters: Sequence[Any]
) -> list[Any]:
    """As Django does it. Under wrappers by a cursor that can send several statements at once:
    pgtrigger.ignore puts one before.
    """
    with connection.wrap_database_errors:
        made: psycopg.Cursor[Any] = ClientCursor(connection.connection)
        if not connection.execute_wrappers:
            made = psycopg.Cursor(connection.connection)
            made.format = Format.BINARY  # bytes as bytes
    with connection._prepare_cursor(made) as cursor:  # type: ignore[attr-defined]
        clock.aware(cursor).execute(query, parameters)
        rows: list[Any] = cursor.fetchall()
        return rows
