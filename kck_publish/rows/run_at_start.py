"""Code of the user's that has to be run when Django starts: it gets no database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from django.db import connections


class QueriedAtStartError(Exception):
    """User code queried while declarations were read: its result depends on more than the code."""


@contextmanager
def no_queries() -> Iterator[None]:
    """Within the block each query of this thread raises QueriedAtStartError.

    No connection is opened either: other applications would find it open at start, and query.
    """
    closed = connections.all()
    for connection in closed:
        vars(connection)["ensure_connection"] = _refuse
    try:
        yield
    finally:
        for connection in closed:
            del vars(connection)["ensure_connection"]


def _refuse() -> NoReturn:
    raise QueriedAtStartError("it queries the database")
