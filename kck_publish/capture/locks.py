"""Changes the capture in the database, one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction

from ..postgres import Cursor

#: The advisory lock: "kck" and a number of this module's own.
INSTALLING = (0x6B636B, 1)


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
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", INSTALLING)
        yield cursor
