"""The round trip itself: what is to be sent is gathered, sent and answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import abc
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.errors import PipelineAborted, error_from_result
from psycopg.generators import execute, fetch_many, send
from psycopg.pq import ConnStatus, ExecStatus, Format, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from ..postgres import Parameters, Statement
from .answer import Answer, first_failed, given
from .placeholders import translated
from .prepared import STALE, Key, Prepared

_IDLE = TransactionStatus.IDLE
# A map of our own: what a cursor of ours is told must not be told to everybody's connections.
_ADAPTERS = AdaptersMap(psycopg.adapters)
# Fails: what has been sent already is rolled back.
_SPOIL = "SELECT 1 / 0"
# Comes last: before a BEGIN it would be a query of the transaction.
_PLAN_ANEW: Key = b"DISCARD PLANS", ()


class _Sendable(NamedTuple):
    """A statement with its parameters as they are sent, and whom the answer is for."""

    key: Key
    values: Any
    formats: Any
    answer: Answer


class RoundTrip:
    """Statements that go together. It is a cursor as well, which waits for what is fetched from it.

    Values are adapted as psycopg does: Django's loader of times is slow, and errs after a
    ``SET TIME ZONE`` (see ``clock.aware``).

    In autocommit all of them are one transaction, but for those between BEGIN and COMMIT. If the
    block raises, none is sent, and what was sent for a fetch is rolled back.

    Args:
        connection: psycopg's, outside a pipeline.
        prepares: whether to prepare what comes again.
        binary: whether the server sends values in its binary format, as is good for long bytes.

    Raises:
        psycopg.Error: of the first statement that fails, at the end of the block.
    """

    adapters = _ADAPTERS

    def __init__(
        self, connection: psycopg.Connection[Any], prepares: bool = True, binary: bool = False
    ) -> None:
        self.connection = connection
        self._format = Format.BINARY if binary else Format.TEXT
        self._adapter: abc.Transformer = Transformer(self)
        self._prepared = Prepared(connection, prepares)
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

    def prepare_no_more(self) -> None:
        """Somebody throws away what is prepared."""
        self._prepared = Prepared(self.connection, is_on=False)

    def execute(self, query: Statement | str, params: Parameters | None = None, /) -> Answer:
        """Have one more statement sent with the others."""
        text = query if isinstance(query, str) else query.as_string(self.connection)
        adapter = self._adapter
        statement = translated(text, adapter.encoding, params is not None)
        values: Any = None
        types: tuple[int, ...] = ()
        formats: Any = None
        if statement.formats:
            bound: Any = params
            if statement.names:
                bound = [bound[name] for name in statement.names]
            values = adapter.dump_sequence(bound or (), statement.formats)
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
        if last and self._prepared.are_old():
            waiting.append(_Sendable(_PLAN_ANEW, None, None, Answer(self._adapter)))
        connection, pgconn = self.connection, self.connection.pgconn
        if not connection.autocommit and connection.info.transaction_status == _IDLE:
            connection.execute("SELECT")  # psycopg begins the transaction
        with connection.lock:
            if not self._is_open and pgconn.pipeline_status != PipelineStatus.OFF:
                raise psycopg.ProgrammingError("Another pipeline is under way on this connection.")
            try:
                failed = connection.wait(self._exchange(pgconn, waiting, last))
            except BaseException as raised:
                if self._is_under_way or _is_cut_off(pgconn, raised):
                    pgconn.finish()  # nobody knows which answers are still to come
                raise
        if failed is not None:
            if failed.status == ExecStatus.PIPELINE_ABORTED:
                raise PipelineAborted("An error of the same transaction was not raised further.")
            error = error_from_result(failed, encoding=self._adapter.encoding)
            if isinstance(error, STALE):
                self._prepared.forget()
            raise error

    def _exchange(
        self, pgconn: PGconn, waiting: Sequence[_Sendable], last: bool
    ) -> abc.PQGen[PGresult | None]:
        """Send and read; the result of the first statement that has failed."""
        is_alone = last and not self._is_open and len(waiting) == 1
        if is_alone and not self._prepared.is_due(waiting[0].key):  # it takes no pipeline
            self._send(pgconn, waiting[0])
            self._is_under_way = True
            results = given((yield from execute(pgconn)))
            self._is_under_way = False
            waiting[0].answer.result = results[0]
            return first_failed(results)  # the commit after it may fail by itself
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
                results = given((yield from fetch_many(pgconn)))
                if is_prepare and first_failed(results):
                    self._prepared.failed(statement.key)
                failed = failed or first_failed(results)
                if failed and pgconn.status != ConnStatus.OK:
                    return failed  # it says why the connection is lost
            statement.answer.result = results[0]
        while last:
            results = given((yield from fetch_many(pgconn)))
            if results[-1].status == ExecStatus.PIPELINE_SYNC:
                pgconn.exit_pipeline_mode()
                self._is_open = self._is_under_way = last = False
            failed = failed or first_failed(results)  # of the commit
        return failed

    def _send(self, pgconn: PGconn, statement: _Sendable) -> bool:
        """Give a statement to libpq; whether it is to be prepared now, which is answered first."""
        key, values, formats, _ = statement
        name, is_new = self._prepared.name(key)
        if name is None:
            pgconn.send_query_params(key[0], values, key[1] or None, formats, self._format)
            return False
        if is_new:
            pgconn.send_prepare(name, key[0], key[1] or None)
        pgconn.send_query_prepared(name, values, formats, self._format)
        return is_new


def _is_cut_off(pgconn: PGconn, error: BaseException) -> bool:
    """Whether a signal's handler (a task's time limit) has raised right after something was sent.

    After an error of psycopg's own, nothing was.
    """
    is_at_rest = (
        pgconn.pipeline_status == PipelineStatus.OFF
        and pgconn.transaction_status != TransactionStatus.ACTIVE
    )
    return not (is_at_rest or isinstance(error, psycopg.Error))
