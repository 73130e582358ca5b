"""The kind of a statement: by its text before it runs, by the server's command tag after it.

The server answers each statement with a tag. Only a few tags stand for statements that change no
row. A SELECT may write too, by a function or a WITH: it is trusted only when it holds nothing that
could (see ``called_functions``), a condition that a writing one cannot meet.
"""

from __future__ import annotations

import re
from typing import Any

from .called_functions import writes_nothing

_READING = (
    "SHOW",
    "FETCH",
    "DECLARE CURSOR",
    "CLOSE CURSOR",
    "SAVEPOINT",
    "RELEASE",
    "SET",
    "BEGIN",
)
# A reader that adds what it has just computed: no answer that was given changes by it.
_ADD = re.compile(
    r"\s*INSERT INTO kck_publish_(edge\b|change \(source, op, new\)|entry \(.*\bON CONFLICT "
    r"(DO NOTHING\b|\(digest, fingerprint\) DO UPDATE SET by = 'reader'))",
    re.DOTALL,
)
_SEVERAL = re.compile(r";\s*\S")
# Statements that can fire a trigger, by their first word. Not those that begin or end a
# transaction, and not those that run in none (VACUUM, CREATE INDEX CONCURRENTLY).
_FIRST = re.compile(
    r"(?:\s|\(|/\*.*?\*/|--[^\n]*\n|set\b[^;]*;)*(?:(?P<query>select|with|values|table)|"
    r"insert|update|delete|merge|truncate|copy|explain|do|call|execute)\b",
    re.IGNORECASE | re.DOTALL,
)


def may_fire(query: Any, raw: Any) -> bool:
    """Whether a statement that is about to run on a connection of psycopg's can fire a trigger.

    Anything but a str is believed to; what is not in a str's first word is not seen.
    """
    if not isinstance(query, str):
        return True
    first = _FIRST.match(query)
    if first is None:
        return False
    return first["query"] is None or not writes_nothing(query, raw, succeeded=False)


def may_end_transactions(query: Any) -> bool:
    """Whether these are several statements that begin or end transactions of their own."""
    return isinstance(query, str) and bool(_SEVERAL.search(query)) and not _FIRST.match(query)


def may_write(tag: str | None, query: Any, raw: Any) -> bool:
    """Whether a statement that the server answered so may have changed a row.

    Args:
        tag: the server's command tag, with or without counts; None when there was none.
        query: the SQL; anything but a str is not looked into.
        raw: the connection of psycopg's that it ran on.
    """
    if not isinstance(query, str):
        return True
    if tag is None or tag.startswith("INSERT"):  # none: it failed, or is in a pipeline
        return _ADD.match(query) is None
    if not tag.startswith("SELECT") and tag.rstrip(" 0123456789") not in _READING:
        return True
    return not writes_nothing(query, raw, succeeded=True)
