"""One round trip: several statements in one message to the server, and one wait for all answers.

psycopg's own pipeline sends each statement as it comes, so the server wakes for each of them; and a
cursor for each costs more than the statement. Here libpq gathers them, and the server wakes once.
Values are converted as for psycopg's cursors (``psycopg.adapt.Transformer``).
Source: https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from types import TracebackType
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import psycopg
from psycopg import abc
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.errors import (
    FeatureNotSupported,
    InvalidSqlStatementName,
    PipelineAborted,
    error_from_result,
)
from psycopg.generators import execute, fetch_many, send
from psycopg.pq import ConnStatus, ExecStatus, Format, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from .postgres import PREPARE, Asked, Parameters, Statement

# How many statements a connection keeps prepared at the most.
KEPT = 200

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?(.)", re.DOTALL)
_FORMATS = {"s": PyFormat.AUTO, "b": PyFormat.BINARY, "t": PyFormat.TEXT}
# What a prepared statement fails with that is gone (DISCARD ALL), or whose table is another by now.
STALE = (InvalidSqlStatementName, FeatureNotSupported)
# Fails: what has been sent already is rolled back.
_SPOIL = "SELECT 1 / 0"


class _Translated(NamedTuple):
    """A statement as the server reads it, and its parameters' formats and names."""

    text: bytes
    formats: list[PyFormat]
    names: tuple[str, ...]


class Answer:
    """The answer to one statement, to be had when the round trip has ended."""

    __slots__ = ("_adapter", "result")

    def __init__(self, adapter: abc.Transformer) -> None:
        self._adapter = adapter
        self.result: PGresult | None = None

    @property
    def rowcount(self) -> int:
        """The number of rows that the statement has given or changed; -1: it tells none."""
        affected = self.result.command_tuples if self.result else None
        return -1 if affected is None else affected

    @property
    def status(self) -> str:
        """The command's name as the server says it when it is done; empty before."""
        status = self.result.command_status if self.result else None
        return (status or b"").decode()

    def fetchall(self) -> list[Any]:
        """The rows, if it gives any."""
        result = self.result
        if result is None or not result.nfields:
            return []
        self._adapter.set_pgresult(result)
        rows: list[Any] = self._adapter.load_rows(0, result.ntuples, tuple)
        self._adapter.set_pgresult(None)  # a round trip may be kept, and its rows need not be
        return rows


class _Sendable(NamedTuple):
    """A statement with its parameters as they are sent, and whom the answer is for."""

    key: tuple[bytes, tuple[int, ...]]
    values: Any
    formats: Any
    answer: Answer


# What a connection has sent, by statement and types: how often, or the name it is prepared under.
_Known = dict[tuple[bytes, tuple[int, ...]], int | bytes]
_known: WeakKeyDictionary[psycopg.Connection[Any], _Known] = WeakKeyDictionary()
_numbers = count(1)


class RoundTrip:
    """Statements that go together. It is a cursor as well, which waits for what is fetched from it.

    In autocommit all of them are one transaction, but for those between BEGIN and COMMIT. If the
    block raises, none is sent, and what was sent for a fetch is rolled back.

    Args:
        connection: psycopg's, outside a pipeline.
        prepares: whether to prepare what comes again.
        binary: whether the server sends values in its binary format, as is good for long bytes.

    Raises:
        psycopg.Error: of the first statement that fails, at the end of the block.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], prepares: bool = True, binary: bool = False
    ) -> None:
        self.connection = connection
        self._format = Format.BINARY if binary else Format.TEXT
        self.adapters = AdaptersMap(connection.adapters)
        self._adapter: abc.Transformer = Transformer(self)
        self._known: _Known = _known.setdefault(connection, {}) if prepares else {}
        self.prepares = prepares
        self._waiting: list[_Sendable] = []
        self._last = Answer(self._adapter)
        self._rows: Iterator[Any] = iter(())  # that are left of the last statement
        self._is_open = False  # in a pipeline
        self._is_under_way = False  # something is sent, or will be

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        if error is None:
            if self._waiting or self._is_open:
                self._communicate(last=True)
            return
        self._waiting.clear()
        if self._is_open and self.connection.pgconn.status == ConnStatus.OK:
            self.execute(_SPOIL)
            with suppress(psycopg.Error):
                self._communicate(last=True)

    def ask(self, query: str, params: Parameters) -> list[Any]:
        """The rows of one statement by itself. May be called again and again.

        Raises:
            psycopg.Error: it has failed.
        """
        answer = self.execute(query, params)
        self._communicate(last=True)
        self._last = Answer(self._adapter)  # and not its rows
        return answer.fetchall()

    def execute(self, query: Statement | str, params: Parameters | None = None, /) -> Answer:
        """Have one more statement sent with the others."""
        text = query if isinstance(query, str) else query.as_string(self.connection)
        adapter = self._adapter
        statement = _translated(text, adapter.encoding, params is not None)
        values: Any = None
        types: tuple[int, ...] = ()
        formats: Any = None
        if statement.formats:
            if isinstance(params, Mapping):
                params = [params[name] for name in statement.names]
            values = adapter.dump_sequence(params or (), statement.formats)
            types, formats = adapter.types or (), adapter.formats
        self._last = Answer(adapter)
        self._waiting.append(_Sendable((statement.text, types), values, formats, self._last))
        return self._last

    @property
    def rowcount(self) -> int:
        """Of the last statement, once it is answered."""
        return self._last.rowcount

    def fetchone(self) -> Any:
        """The next row of the last statement, or None."""
        return next(iter(self), None)

    def fetchall(self) -> list[Any]:
        """The rows of the last statement that are left."""
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        if self._waiting:
            self._communicate(last=False)
            self._rows = iter(self._last.fetchall())
        return self._rows

    def _communicate(self, last: bool) -> None:
        """Send what waits, and read the answers; with ``last`` the transaction is at its end."""
        waiting, self._waiting = self._waiting, []
        connection = self.connection
        if not self._is_open and connection.pgconn.pipeline_status != PipelineStatus.OFF:
            raise psycopg.ProgrammingError("Another pipeline is under way on this connection.")
        try:
            with connection.lock:
                failed = connection.wait(self._exchange(connection.pgconn, waiting, last))
        except BaseException:
            if self._is_under_way:
                connection.pgconn.finish()  # nobody knows which answers are still to come
            raise
        if failed is not None:
            if failed.status == ExecStatus.PIPELINE_ABORTED:
                raise PipelineAborted("An error of the same transaction was not raised further.")
            error = error_from_result(failed, encoding=self._adapter.encoding)
            if isinstance(error, STALE):
                self._known.clear()
            raise error

    def _exchange(
        self, pgconn: PGconn, waiting: Sequence[_Sendable], last: bool
    ) -> abc.PQGen[PGresult | None]:
        """Send and read; the result of the first statement that has failed."""
        if last and not self._is_open and len(waiting) == 1 and self._is_sent_at_once(waiting[0]):
            self._send(pgconn, waiting[0])
            self._is_under_way = True
            results = _given((yield from execute(pgconn)))
            self._is_under_way = False
            waiting[0].answer.result = results[0]
            return _failed(results)  # the commit after it may fail by itself
        if not self._is_open:
            pgconn.enter_pipeline_mode()
            self._is_open = self._is_under_way = True
        prepared = [self._send(pgconn, statement) for statement in waiting]
        if last:
            pgconn.pipeline_sync()
        else:
            pgconn.send_flush_request()
        yield from send(pgconn)
        failed: PGresult | None = None
        for statement, is_new in zip(waiting, prepared, strict=True):
            for is_prepare in (True, False) if is_new else (False,):
                results = _given((yield from fetch_many(pgconn)))
                if is_prepare and _failed(results):
                    self._known.pop(statement.key, None)
                failed = failed or _failed(results)
                if failed and pgconn.status != ConnStatus.OK:
                    return failed  # it says why the connection is lost
            statement.answer.result = results[0]
        while last:
            results = _given((yield from fetch_many(pgconn)))
            if results[-1].status == ExecStatus.PIPELINE_SYNC:
                pgconn.exit_pipeline_mode()
                self._is_open = self._is_under_way = last = False
            failed = failed or _failed(results)  # of the commit
        return failed

    def _is_sent_at_once(self, statement: _Sendable) -> bool:
        """Whether it takes no pipeline: it need not be prepared first."""
        times = self._known.get(statement.key, 0)
        return not self.prepares or not isinstance(times, int) or times + 1 < PREPARE

    def _send(self, pgconn: PGconn, statement: _Sendable) -> bool:
        """Give a statement to libpq; whether it is to be prepared now, which is answered first."""
        key, values, formats, _ = statement
        name = self._known.get(key, 0)
        is_new = False
        if isinstance(name, int):
            keeps = self.prepares and (name or len(self._known) < KEPT)
            if not keeps or name + 1 < PREPARE:
                if keeps:
                    self._known[key] = name + 1
                pgconn.send_query_params(key[0], values, key[1] or None, formats, self._format)
                return False
            name, is_new = b"kck_%d" % next(_numbers), True
            pgconn.send_prepare(name, key[0], key[1] or None)
            self._known[key] = name
        pgconn.send_query_prepared(name, values, formats, self._format)
        return is_new


def _given(results: Sequence[PGresult]) -> Sequence[PGresult]:
    """These results. Raises OperationalError: there are none, as the connection is lost."""
    if not results:
        raise psycopg.OperationalError("The connection was lost before the server had answered.")
    return results


def _failed(results: Iterable[PGresult]) -> PGresult | None:
    """The first of these that is an error, or follows one."""
    bad = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)
    return next((result for result in results if result.status in bad), None)


@lru_cache(maxsize=512)
def _translated(text: str, encoding: str, has_parameters: bool) -> _Translated:
    """A statement with the server's placeholders in place of psycopg's."""
    formats: list[PyFormat] = []
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name, kind = found.groups()
        if kind == "%" and name is None:
            return "%"
        place = names.get(name) if name else None
        if place is None:
            formats.append(_FORMATS[kind])
            place = len(formats)
            if name:
                names[name] = place
        return f"${place}"

    if has_parameters:
        text = _PLACEHOLDER.sub(number, text)
    return _Translated(text.encode(encoding), formats, tuple(names))


@contextmanager
def together(desk: psycopg.Connection[Any]) -> Iterator[RoundTrip]:
    """A round trip of the listener's; nothing is left open after an error.

    Args:
        desk: in autocommit.
    """
    try:
        with RoundTrip(desk) as trip:
            yield trip
    except psycopg.Error:
        if desk.info.transaction_status == TransactionStatus.INERROR:
            desk.rollback()
        raise


def answers(desk: psycopg.Connection[Any], queries: Sequence[Asked]) -> list[list[Any]]:
    """The rows that each statement gives, if any, for one wait; they are one transaction.

    Args:
        desk: in autocommit.
    """
    try:
        return _answers(desk, queries)
    except STALE:  # nothing was done
        return _answers(desk, queries)


def _answers(desk: psycopg.Connection[Any], queries: Sequence[Asked]) -> list[list[Any]]:
    with together(desk) as trip:
        given = [trip.execute(*query) for query in queries]
    return [answer.fetchall() for answer in given]
