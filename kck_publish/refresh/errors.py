"""An error of user code, as the log shows it and as the table of failures keeps it.

A message may hold values, so the log has none unless LOG_VALUES allows it. The table is in the
user's own database, beside the values: it keeps the message and the whole traceback.
"""

from __future__ import annotations

import traceback
from typing import NamedTuple

from ..conf import settings

# The innermost frames that the log shows.
FRAMES = 8
# How much of a message, and of a traceback, is kept, in characters.
MESSAGE, TRACEBACK = 10_000, 50_000


class Kept(NamedTuple):
    """The kept parts of an error: the path of its type, its message, the traceback."""

    type: str
    message: str
    traceback: str


def describe(error: BaseException) -> str:
    """The error for the log: its type and where it happened."""
    if settings.LOG_VALUES:
        return "".join(traceback.format_exception(error)).rstrip()
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return _text("\n".join([_type(error), *lines]))


def keep(error: BaseException) -> Kept:
    """The error for the table."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the user's __str__
        message = "(its message cannot be shown)"
    lines = "".join(traceback.format_exception(error))
    return Kept(_type(error), _text(message[:MESSAGE]), _text(lines[-TRACEBACK:]))


def _type(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _text(text: str) -> str:
    """The text as PostgreSQL can keep it: a file's name, or a message, may hold other bytes."""
    return text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()
