"""Batches inside a test's own transaction: nothing is committed, and nobody else is waited for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import clock
from ..capture.source import wrote_setting
from ..log.reader import Row, undrained
from ..log.snapshot import NOTHING, take
from ..postgres import Cursor
from ..products import registry
from ..stores import Address, Query, Written
from . import failures, schedule
from .batch import Batch
from .carry_over import Echoes
from .compute_transaction import KEEP
from .failures import Failure, Try
from .forget_cached import begin_batch
from .log_span import Span
from .outcome import Outcome
from .session import Session

# Settings of the session, undone with the transaction: what is drained, and that nothing of what
# it wrote is still to be waited for.
_DRAINED = """
SELECT set_config('kck_publish.drained', greatest(%s,
           nullif(current_setting('kck_publish.drained', true), '')::bigint)::text, true),
       (SELECT count(set_config(name, '', false)) FROM unnest(%s::text[]) name)
"""


class TestSession(Session):
    """A batch that computes and writes in the current transaction.

    Args:
        connection: Django's, in that transaction.
        rows: of the log, which the batch handles.
    """

    __test__ = False  # pytest takes it for a class of tests
    sees_one_state = False

    def __init__(self, connection: BaseDatabaseWrapper, rows: Sequence[Row]) -> None:
        super().__init__(connection)
        self._seq = max((row.seq for row in rows), default=0)

    def cursor(self) -> Cursor:
        return self.connection.cursor()

    def ask(self, *queries: Query) -> list[list[Any]]:
        answers = []
        with self.cursor() as cursor:
            for query in queries:
                clock.aware(cursor).execute(*query)
                answers.append(cursor.fetchall())
        return answers

    def breathe(self, seconds: float = 0.0) -> None:
        """Nobody else waits for a test's shard."""

    def stored(self, keys: Sequence[str], written: Written) -> None:
        """Nobody follows what is not committed."""

    @contextmanager
    def writing(self, last: bool) -> Iterator[Cursor]:
        with transaction.atomic(using=self.connection.alias), self.cursor() as cursor:
            yield cursor
            cursor.execute(KEEP)  # a compute that fails later must not take this back
            if last:
                names = [wrote_setting(table) for table in registry.graph().sources]
                cursor.execute(_DRAINED, [self._seq, names])

    def record(self, failed: Sequence[Failure]) -> Mapping[str, Try]:
        with self.cursor() as cursor:
            return failures.record(cursor, failed)

    def forget(self, settled: Sequence[Address]) -> None:
        with self.cursor() as cursor:
            failures.forget(cursor, settled)


def drain_transaction(connection: BaseDatabaseWrapper) -> Outcome:
    """Refresh all that the current transaction has changed, and what is due."""
    schedule.plan()
    schedule.tick()
    total, echoes = Outcome(), Echoes()
    while (batch := _batch(connection, echoes)) is not None:
        outcome = batch.run()
        total.add(outcome)
        echoes = batch.echoes()
        if not outcome.changes:
            break
    return total


def _batch(connection: BaseDatabaseWrapper, echoes: Echoes) -> Batch | None:
    """The next batch; None when there is nothing to do."""
    with connection.cursor() as cursor:
        until = take(cursor)
        rows = undrained(connection)
        session = TestSession(connection, rows)
        if not rows and not session.ask(session.due_query())[0]:
            return None
        cursor.execute(KEEP)
    begin_batch(connection.alias)
    batch = Batch(session, Span(NOTHING, until), echoes)
    batch.collect(rows)
    return batch
