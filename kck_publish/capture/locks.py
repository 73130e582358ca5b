"""Changes the capture in the database, one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction

from ..postgres import Cursor

#: Takes the advisory lock of whoever installs: each schema has a table, and so a lock, of its own.
_LOCK = "SELECT pg_advisory_xact_lock('kck_publish_change'::regclass::oid::int, 1)"


# A lock that is waited for holds up all who come after: a listener rather tries again later.
_SOON = "SELECT set_config('lock_timeout', '1s', true)"


@contextmanager
def alone(using: str, soon: bool = False) -> Iterator[Cursor]:
    """A transaction in which nobody else changes the capture: two that drop a trigger deadlock.

    Args:
        using: the alias.
        soon: wait for no lock longer than a second.
    """
    with transaction.atomic(using), connections[using].cursor() as cursor:
        if soon:
            cursor.execute(_SOON)
        cursor.execute(_LOCK)
        yield cursor
