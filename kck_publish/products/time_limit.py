"""The time limit of a compute: what hangs is cut off. ``compute`` runs each compute in it.

Three hands hold it. PostgreSQL ends a query of the compute (``statement_timeout``, set for the
transaction alone, so that it holds behind a transaction pooler and in any thread). Before each of
its queries it is looked whether the time is up. And in the main thread, where listeners compute,
a ``call_alarm`` interrupts Python itself. A compute that is late, but could not be interrupted, and
comes to an end, counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from ..conf import settings
from ..exceptions import ComputeTimeout
from .call_alarm import Alarm, Cut, call

T = TypeVar("T")
# The alarm rings so many seconds late: a query that has hung from the start ends by itself.
LATE = 0.2
# How exactly the server's clock and ours agree on how long something took, in seconds.
_ROUGHLY = 0.05
# First what it was. PostgreSQL shows it in the largest unit that fits; 0 is none.
_SET = """
SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)
"""
_MILLISECONDS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_RESTORE = "SELECT set_config('statement_timeout', %s, true)"


class Limit:
    """The limit of one compute that runs.

    Args:
        name: of the key, or of the product where it is a pass over many.
        seconds: how long it may take.
        outer: of the compute that this one is a part of.
    """

    def __init__(self, name: str, seconds: float, outer: Limit | None) -> None:
        self.due = time.monotonic() + seconds
        self.outer = outer
        self.alarm = Alarm(self.due + LATE)
        self.error = ComputeTimeout(name, seconds)
        self._cut = False

    @property
    def first(self) -> Limit:
        """Whichever is due first: this one, or one around it."""
        outer = self.outer.first if self.outer else self
        return outer if outer.due < self.due else self

    @property
    def left(self) -> float:
        """Seconds until then."""
        return self.first.due - time.monotonic()

    @property
    def cut_off(self) -> ComputeTimeout | None:
        """The error of what was cut off: this one, or one around it."""
        if self._cut or self.alarm.rang:
            return self.error
        return None if self.outer is None else self.outer.cut_off

    def cut(self) -> ComputeTimeout:
        """Its time is up, or that of one around it: the error."""
        self.first._cut = True
        return self.first.error

    def note(self, error: BaseException) -> None:
        """An error of a query: whether the server has ended it because the time was up."""
        cancelled = psycopg.errors.QueryCanceled
        by_server = isinstance(error, cancelled) or isinstance(error.__cause__, cancelled)
        if by_server and self.left < _ROUGHLY:
            self.cut()

    def is_around(self, error: BaseException) -> bool:
        """Whether an error says that a compute around this one has taken too long."""
        outer = self.outer
        return outer is not None and (error is outer.error or outer.is_around(error))


_limit: ContextVar[Limit | None] = ContextVar("kck_publish_limit", default=None)


def current() -> Limit | None:
    """The limit of the innermost compute here that has one."""
    return _limit.get()


def seconds_of(limit: timedelta | None) -> float | None:
    """The time that a compute of a product with this ``time_limit`` may take."""
    limit = settings.TIME_LIMIT if limit is None else limit
    return None if limit is None else limit.total_seconds()


def within(name: str, limit: timedelta | None, run: Callable[[], T], queries: bool = True) -> T:
    """Run one compute, or what else is the user's, for no longer than its limit.

    Args:
        name: of what it is a compute.
        limit: of the product; None: the setting TIME_LIMIT.
        run: the compute.
        queries: whether its queries are limited by the server too.

    Raises:
        ComputeTimeout: it took too long; or one that it is a part of did.
    """
    seconds, outer = seconds_of(limit), _limit.get()
    if seconds is None:
        return run() if outer is None else _honestly(run, outer)
    mine = Limit(name, seconds, outer)
    token = _limit.set(mine)
    try:
        with _limited_queries(mine) if queries else ExitStack():
            try:
                return _honestly(lambda: call(run, mine.alarm), mine)
            except Cut as cut:
                if cut.of is not mine.alarm:
                    raise
                raise mine.error from None
    finally:
        _limit.reset(token)


def _honestly(run: Callable[[], T], limit: Limit) -> T:
    """A compute that was cut off has failed, whatever it makes of that."""
    try:
        value = run()
    except Exception as error:
        limit.note(error)
        if (cut := limit.cut_off) is None or error is cut:
            raise
        raise cut from error
    if (cut := limit.cut_off) is not None:
        raise cut
    return value


def is_of_another(error: BaseException) -> bool:
    """Whether an error says that a compute around what runs here has taken too long."""
    limit = _limit.get()
    return limit is not None and (error is limit.error or limit.is_around(error))


def again() -> None:
    """Limit the queries of the compute that runs once more: its transaction was rolled back."""
    mine, connection = _limit.get(), connections[settings.DATABASE]
    if mine is not None and _is_sound(connection) and mine.left > 0:
        _set(connection, mine)


@contextmanager
def _limited_queries(limit: Limit) -> Iterator[None]:
    """Have the server end the compute's queries; the setting is as before afterwards."""
    connection = connections[settings.DATABASE]
    with ExitStack() as stack:
        before = None
        try:
            if not connection.in_atomic_block:  # so that the setting ends with the transaction
                stack.enter_context(transaction.atomic(using=connection.alias))
            if _is_sound(connection):
                before = _set(connection, limit)
        except (DatabaseError, psycopg.Error):  # away: there is nothing to limit
            stack.close()
        stack.enter_context(connection.execute_wrapper(_in_time))
        try:
            yield
        finally:
            if before is not None and _is_sound(connection):
                _execute(connection, _RESTORE, before)


def _set(connection: BaseDatabaseWrapper, limit: Limit) -> str:
    """End queries after what is left of the limit; what was set before. A shorter one holds."""
    milliseconds = max(1, round(limit.left * 1000))
    before, _ = _execute(connection, _SET, str(milliseconds))
    if 0 < _in_milliseconds(before) < milliseconds:
        _execute(connection, _RESTORE, before)
    return str(before)


def _in_milliseconds(shown: str) -> int:
    number = shown.rstrip("adhimns")
    return int(number) * _MILLISECONDS.get(shown.removeprefix(number), 1)


def _execute(connection: BaseDatabaseWrapper, query: str, timeout: str) -> Any:
    """On the raw connection: no limit is looked at, and nobody counts or logs it as the user's."""
    with psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(query, [timeout]).fetchone()


def _in_time(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    limit = _limit.get()
    if limit is None:
        return execute(sql, params, many, context)
    if limit.left <= 0:
        raise limit.cut()
    try:
        return execute(sql, params, many, context)
    except DatabaseError as error:
        limit.note(error)
        raise


def _is_sound(connection: BaseDatabaseWrapper) -> bool:
    """Whether something can be asked in the transaction that the compute runs in."""
    raw = connection.connection
    if raw is None or raw.closed or not connection.in_atomic_block or connection.needs_rollback:
        return False
    # Idle: its first query is still to come.
    status = raw.info.transaction_status
    return status in (TransactionStatus.INTRANS, TransactionStatus.IDLE)
