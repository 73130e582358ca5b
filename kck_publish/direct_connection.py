"""Past a pooler: where the listener's connections go, as the setting DIRECT says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections
from psycopg.conninfo import conninfo_to_dict

from .conf import settings
from .exceptions import ConfigurationError

_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def direct_settings(alias: str) -> dict[str, Any]:
    """Django's settings of a database, with the address of the server itself."""
    pooled, target = connections[alias].settings_dict, settings.DIRECT
    if target is None:
        return pooled
    if target in connections.settings:
        found = dict(connections.settings[target])
    else:
        given = conninfo_to_dict(target)
        found = pooled | {_NAMES[name]: given.pop(name) for name in [*given] if name in _NAMES}
        found["OPTIONS"] = pooled["OPTIONS"] | given
    found["OPTIONS"] = {name: of for name, of in found["OPTIONS"].items() if name != "pool"}
    return found


@contextmanager
def going_direct(alias: str) -> Iterator[None]:
    """Meanwhile this thread's connection of Django's goes to the server itself."""
    if settings.DIRECT is None:
        yield
        return
    connection = connections[alias]
    pooled = connection.settings_dict
    connection.close()
    connection.settings_dict = direct_settings(alias)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = pooled


def refuse_pooler(connection: psycopg.Connection[Any]) -> None:
    """See that the server answers itself; before anything is set in its session.

    Raises:
        ConfigurationError: a pooler is in between.
    """
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    is_declared = settings.POOLER is not None and settings.DIRECT is None
    if is_declared or row is None or row[0] != connection.info.backend_pid:
        host, port = connection.info.host, connection.info.port
        connection.close()
        raise ConfigurationError(
            f"A pooler (PgBouncer?) answers at {host}:{port}, whose sessions are not the "
            "listener's own. Let KCK_PUBLISH['DIRECT'] name the server itself: an alias of "
            "DATABASES, or a connection string."
        )
