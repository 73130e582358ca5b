"""The answers of the server: to one statement, and whether anything has failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import abc
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

_BAD = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)


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


def given(results: Sequence[PGresult]) -> Sequence[PGresult]:
    """These results. Raises OperationalError: there are none, as the connection is lost."""
    if not results:
        raise psycopg.OperationalError("The connection was lost before the server had answered.")
    return results


def first_failed(results: Iterable[PGresult]) -> PGresult | None:
    """The first of these that is an error, or follows one."""
    for result in results:
        if result.status in _BAD:
            return result
    return None
