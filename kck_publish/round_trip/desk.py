"""Round trips of the library's own connections, in autocommit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from ..postgres import Asked
from .prepared import STALE
from .trip import RoundTrip


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
