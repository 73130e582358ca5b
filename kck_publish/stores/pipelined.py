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
from psycopg.pq import PipelineStatus, TransactionStatus

from .. import search_path
from ..capture import local_settings, own_pooled_writes, statements
from ..capture.statement_kind import may_write
from ..postgres import Asked, Cursor, Parameters, Statement
from ..round_trip import STALE, Answer, RoundTrip
from .types import Query

# In the database's OPTIONS: who names it there has decided about prepared statements.
THRESHOLD = "prepare_threshold"
BEGIN = "BEGIN"
REPEATABLE_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ"
_IS_SUPPORTED = psycopg.Pipeline.is_supported()  # by libpq


def is_possible(connection: BaseDatabaseWrapper) -> bool:
    """Whether statements may be sent to this connection past Django's cursors, several at once."""
    raw = connection.connection
    return (
        raw is not None
        and not connection.execute_wrappers
        and not connection.queries_logged
        and raw.pgconn.pipeline_status == PipelineStatus.OFF
        and own_pooled_writes.is_direct(raw)
        and not local_settings.concerns(raw)
        and _IS_SUPPORTED
    )


def may_begin(connection: BaseDatabaseWrapper) -> bool:
    """Whether ``begin`` may be called: in an outermost block that has sent nothing yet.

    Who has psycopg's BEGIN say more (OPTIONS name an isolation level, say) is given that one.
    """
    raw = connection.connection
    return (
        is_possible(connection)
        and not connection.savepoint_ids
        and raw.pgconn.transaction_status == TransactionStatus.IDLE
        and (raw.isolation_level, raw.read_only, raw.deferrable) == (None, None, None)
    )


def may_end(connection: BaseDatabaseWrapper) -> bool:
    """Whether ``end`` may be called: the transaction is one that ``begin`` has begun."""
    return (
        is_possible(connection)
        and not connection.savepoint_ids
        and not connection.needs_rollback
        and connection.connection.autocommit
        and connection.connection.pgconn.transaction_status == TransactionStatus.INTRANS
    )


def prepares(connection: BaseDatabaseWrapper) -> bool:
    """Whether round trips of Django's connection prepare the store's own statements.

    They do where no pooler is in between. Where OPTIONS name a threshold, or the connection has
    one, psycopg prepares, or nobody does: after a rollback psycopg says DEALLOCATE ALL, and so
    throws away what others did.
    """
    raw = connection.connection
    named = raw.prepare_threshold is not None or THRESHOLD in connection.settings_dict["OPTIONS"]
    return not named and own_pooled_writes.is_direct(raw)


def begin(
    connection: BaseDatabaseWrapper, first: Sequence[str], *queries: Asked
) -> list[list[Any]]:
    """Begin the transaction of Django's block, and ask; the rows by query. See ``may_begin``.

    psycopg waits for a BEGIN that it sends itself. So it is told that it need not: what it takes
    for autocommit is a transaction for all that, which Django's block ends as always.

    Args:
        first: the BEGIN, and what is to come before the queries.
    """
    connection.connection.autocommit = True
    asked = [*((statement, ()) for statement in first), *queries]
    try:
        answers = ask(connection, *asked)
    except DatabaseError as error:
        if not isinstance(error.__cause__, STALE):
            raise
        connection.connection.rollback()  # nothing has been done in it
        answers = ask(connection, *asked)
    return answers[len(first) :]


def ask(connection: BaseDatabaseWrapper, *queries: Asked) -> list[list[Any]]:
    """The rows of several queries. See ``is_possible``."""
    with _round_trip(connection) as trip:
        given = [trip.execute(*query) for query in queries]
    return [answer.fetchall() for answer in given]


def end(
    connection: BaseDatabaseWrapper,
    first: Sequence[str],
    write: Callable[[Cursor], None],
    query: Query,
) -> list[Any] | None:
    """Write, commit, and only then ask. See ``may_end``.

    Args:
        first: statements that come before, and change no row.
        write: is given a cursor; what it fetches it waits for.

    Returns:
        the rows of the query; None: it has failed, and what was written is committed.

    Raises:
        DatabaseError: the transaction has failed, or its end is not known.
    """
    commit: Answer | None = None
    try:
        with _round_trip(connection) as trip:
            for statement in first:
                trip.execute(statement)
            trip.is_writing = True
            write(trip)
            trip.is_writing = False
            commit = trip.execute("COMMIT")
            asked = trip.execute(*query)
    except DatabaseError:
        if commit is None or commit.status != "COMMIT":
            raise
        return None
    return asked.fetchall()


class _Noticed(RoundTrip):
    """A round trip of Django's connection: what ``end`` writes is noticed, as by its cursors."""

    is_writing = False

    def execute(self, query: Statement | str, params: Parameters | None = None, /) -> Answer:
        if self.is_writing and may_write(None, query, self.connection):
            statements.note_write(self.connection)
        return super().execute(query, params)


@contextmanager
def _round_trip(connection: BaseDatabaseWrapper) -> Iterator[_Noticed]:
    search_path.prepare(connection)  # a compute may have looked elsewhere meanwhile
    raw: psycopg.Connection[Any] = connection.connection
    with connection.wrap_database_errors, _Noticed(raw, prepares(connection)) as trip:
        yield trip
