"""A database that does not answer, as web processes see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def no_database() -> Iterator[None]:
    """Within the block nobody listens where the database was, and each request is a transaction."""
    kept = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(ATOMIC_REQUESTS=True, PORT="1")
    try:
        yield
    finally:
        connection.settings_dict.update(kept)
        connection.close()
