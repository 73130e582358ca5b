"""A pooler before the database: whether the settings name it, and the listener goes past it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import settings
from ..exceptions import ConfigurationError
from ..postgres import connect
from .registry import Asks, Problem, diagnosis


@diagnosis("pooler", Asks.RUNNING)
def unnamed_pooler(alias: str) -> Iterator[Problem]:
    """One in transaction mode that POOLER does not name so, or that listeners do not go past."""
    with closing(connections[alias].copy()) as first, closing(connections[alias].copy()) as second:
        backend, own = _backend(first), first.connection.info.backend_pid
        shared = _backend(second) == backend
        address = f"{first.connection.info.host}:{first.connection.info.port}"
    if shared and settings.POOLER == "session":
        yield Problem(
            "E033",
            f"The pooler at {address} is in transaction mode, while POOLER is 'session': reads "
            "after one's own write may be older than that write.",
            "Set KCK_PUBLISH['POOLER'] to 'transaction'.",
        )
    elif settings.POOLER is None and (shared or backend != own):
        mode = "in transaction mode" if shared else "taken to be in transaction mode"
        yield Problem(
            "W034",
            f"A pooler (PgBouncer?) answers at {address}, {mode}: each writing transaction costs "
            "a query more, and each process asks when it first connects.",
            "Set KCK_PUBLISH['POOLER'] to the mode that it has, 'transaction' or 'session'.",
        )
    try:
        connect(alias).close()
    except ConfigurationError as error:
        yield Problem("E036", f"No listener can start. {error}")


def _backend(connection: BaseDatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
