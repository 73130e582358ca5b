"""Notices what is written: every statement on every PostgreSQL connection of Django's.

One that may have changed a row (see ``statement_kind``) makes the request's memo forget, and marks
the session (see ``own_session_writes``). One that may fire a trigger gets the settings of its
context (see ``local_settings``). One that throws away what is prepared is told to ``round_trip``.

What is not noticed: a view, operator, cast or policy whose definition calls a function that
writes; and what is sent past psycopg's cursors. ``clear_request_caches()`` is for these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg.errors import InvalidTransactionTermination, UndefinedColumn
from psycopg.pq import TransactionStatus

from .. import round_trip, search_path
from . import local_settings, own_pooled_writes, own_request_writes, own_session_writes
from .fault import explain
from .statement_kind import may_end_transactions, may_fire, may_write

#: Called with psycopg's connection after each statement that may have written.
subscribers: list[Callable[[Any], None]] = []


class _Watched:
    """Laid over psycopg's cursor class: looks at each statement, before and after it.

    Not a wrapper of Django's (execute_wrapper): that sees neither COPY, nor ``stream``, nor what is
    sent on psycopg's connection itself.
    """

    connection: Any
    statusmessage: str | None

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        raw, tag = self.connection, None
        try:
            if _concerns(raw):
                result = self._execute_within(query, *args, **options)
            else:
                result = super().execute(query, *args, **options)  # type: ignore[misc]
            tag = self.statusmessage
        except UndefinedColumn as error:
            explain(error)
            raise
        finally:
            search_path.note(query, tag)
            round_trip.note(raw, tag)
            if may_write(tag, query, raw):
                note_write(raw)
        return result

    def _execute_within(self, query: Any, *args: Any, **options: Any) -> Any:
        """As ``execute``, in a transaction that is told and asked what counts for this client."""
        raw = self.connection
        try:
            with self._transaction(query):
                result = super().execute(query, *args, **options)  # type: ignore[misc]
        except InvalidTransactionTermination:
            if raw.info.transaction_status != TransactionStatus.IDLE:
                raise
            # A procedure that commits: no transaction can hold settings for it.
            result = super().execute(query, *args, **options)  # type: ignore[misc]
            own_pooled_writes.record_ended(raw)
        else:
            if may_end_transactions(query):
                own_pooled_writes.record(raw)
                own_pooled_writes.record_ended(raw)
        return result

    def executemany(self, query: Any, *args: Any, **options: Any) -> Any:
        with self._writing(query):
            return super().executemany(query, *args, **options)  # type: ignore[misc]

    def stream(self, query: Any, *args: Any, **options: Any) -> Iterator[Any]:
        with self._writing(query):
            yield from super().stream(query, *args, **options)  # type: ignore[misc]

    @contextmanager
    def copy(self, statement: Any, *args: Any, **options: Any) -> Iterator[Any]:
        with (
            self._writing(statement),
            super().copy(statement, *args, **options) as copy,  # type: ignore[misc]
        ):
            yield copy

    @contextmanager
    def _writing(self, query: Any) -> Iterator[None]:
        try:
            with self._transaction(query):
                yield
        finally:
            note_write(self.connection)

    @contextmanager
    def _transaction(self, query: Any) -> Iterator[None]:
        raw = self.connection
        if not (_concerns(raw) and may_fire(query, raw)):
            yield
            return
        with local_settings.own_transaction(raw):
            local_settings.put(raw)
            yield
            own_pooled_writes.record(raw)


def _concerns(raw: Any) -> bool:
    """Whether the transactions of a connection have to be told or asked anything."""
    return local_settings.concerns(raw) or own_pooled_writes.is_pooled(raw)


def note_write(raw: Any) -> None:
    """Something may have been written on this connection of psycopg's."""
    mine = own_request_writes.current()
    if mine is not None:
        mine.note(raw)
    own_session_writes.note(raw)
    for told in subscribers:
        told(raw)


@lru_cache(maxsize=32)
def _watched(factory: Any) -> type[Any]:
    return type(factory.__name__, (_Watched, factory), {"__module__": factory.__module__})


def _connected(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection.vendor != "postgresql":
        return
    raw = connection.connection
    if isinstance(raw.cursor_factory, type):
        if not issubclass(raw.cursor_factory, _Watched):
            factory: Any = raw.cursor_factory
            raw.cursor_factory = _watched(factory)
        own_session_writes.watch(raw, connection.alias)
        with connection.wrap_database_errors:
            own_pooled_writes.watch(raw, connection.alias)


def connect() -> None:
    """Watch every connection that Django makes from now on."""
    connection_created.connect(_connected, dispatch_uid="kck_publish.watching")
