"""Where a reader may compute and not store: said once for each reason, and served for all that.

A standby, a session that is read-only, a role with SELECT alone, a lock: none of these is the
reader's fault, and what it has asked for is there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import DatabaseError, InterfaceError

from ..postgres import describe

logger = logging.getLogger("kck_publish")

_READ_ONLY = (
    "its sessions are read-only (a standby, or default_transaction_read_only). Let DATABASE be an "
    "alias that writes, or have kck_prime fill what is read here."
)
_NO_RIGHT = (
    'its role may not write the library\'s tables. Grant what "Roles and grants" in '
    "docs/deployments.md says, or have kck_prime fill what is read here."
)
_said: set[tuple[str, str]] = set()


@contextmanager
def saying(alias: str) -> Iterator[None]:
    """Store within the block; where that is not possible, say so, and go on.

    Args:
        alias: the database in DATABASES.
    """
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        say(alias, error)


def say(alias: str, error: Exception) -> None:
    """Say once why nothing is stored through this alias."""
    reason = type(error.__cause__ or error).__name__
    if (alias, reason) in _said:
        return
    _said.add((alias, reason))
    logger.warning(
        "What is missed is computed, and cannot be stored through the database alias %r: %s",
        alias,
        _cause(error),
    )


def _cause(error: Exception) -> str:
    match error.__cause__:
        case psycopg.errors.ReadOnlySqlTransaction():
            return _READ_ONLY
        case psycopg.errors.InsufficientPrivilege():
            return _NO_RIGHT
    return f"{describe(error)}."
