"""The library's clock. Tests move it (``testing.travel``); nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg.types.datetime import TimestamptzLoader

from .postgres import Cursor

_moved = timedelta(0)


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC) + _moved


def aware(cursor: Cursor) -> Cursor:
    """A cursor that tells times as ``now`` does.

    Django's tell naive ones without USE_TZ, and with it take for granted that nobody has said
    ``SET TIME ZONE``: a session that has tells times that are hours away.

    Args:
        cursor: any, before its statement.
    """
    cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
    return cursor


def moved() -> timedelta:
    """The distance by which the clock has been moved: for times that the database gives."""
    return _moved


def after(wait: timedelta | None) -> datetime | None:
    """The time after a wait; None for never."""
    return None if wait is None else now() + wait


def move(by: timedelta) -> None:
    """Move the clock of this process."""
    global _moved
    _moved += by
