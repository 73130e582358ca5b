"""Queries of the linter, which a user who counts queries does not see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def unlogged(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Keep what is asked meanwhile from Django's log of queries, and from execute wrappers."""
    forced, wrappers = connection.force_debug_cursor, connection.execute_wrappers
    connection.force_debug_cursor, connection.execute_wrappers = False, []
    try:
        yield
    finally:
        connection.force_debug_cursor, connection.execute_wrappers = forced, wrappers


class UnloggedTransaction:
    """A transaction whose begin and end are not in the log of queries."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._atomic = transaction.atomic(connection.alias)

    def __enter__(self) -> None:
        with unlogged(self._connection):
            self._atomic.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with unlogged(self._connection):
            self._atomic.__exit__(kind, error, trace)
