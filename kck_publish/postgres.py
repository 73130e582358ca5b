"""The listener's own connections, and which of their errors pass by themselves."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import InterfaceError as DjangoInterfaceError
from django.db import OperationalError as DjangoOperationalError
from django.db import connections
from psycopg.conninfo import conninfo_to_dict, make_conninfo

# How long the listener waits for a lock that somebody else (a TRUNCATE, a migration) holds.
LOCK_TIMEOUT = "5s"
# A connection whose packets are dropped is noticed in half a minute, not in hours; a value of the
# settings' own goes before these.
KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
# From which execution on a statement is prepared: the listener repeats few statements often.
PREPARE = 3


def connect(alias: str, dsn: str | None = None) -> psycopg.Connection[Any]:
    """A connection of the listener's own: never the one that user code computes on.

    The listener's writes need not wait for the disk: a crash loses the tail of values, stamps and
    cursor together, and the batch is repeated.
    """
    if dsn is not None:
        given = conninfo_to_dict(dsn)
        return psycopg.connect(make_conninfo("", **(KEEPALIVE | given)), autocommit=True)
    parameters = KEEPALIVE | connections[alias].get_connection_params()
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    parameters |= {"prepare_threshold": PREPARE, "autocommit": True}
    connection = psycopg.connect(**parameters)
    connection.execute("SET synchronous_commit = off")
    connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    return connection


def is_passing(error: Exception) -> bool:
    """Whether an error says that the database is away, or that somebody held a lock."""
    passing = (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        DjangoOperationalError,
        DjangoInterfaceError,
    )
    return isinstance(error, passing)


def name_of(error: Exception) -> str:
    """The type of the database's own error."""
    cause = error.__cause__ or error
    return type(cause).__name__
