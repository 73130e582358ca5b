"""The keys whose refresh failed, page by page, and what an operator does with them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .. import clock
from ..log import refreshes
from ..postgres import Cursor
from ..refresh import failures
from .entries import LOOKED_AT, Place

STATES = {"dead": "due_at IS NULL", "retrying": "due_at IS NOT NULL"}
_COLUMNS = """digest, fingerprint, key, product, attempts, first_at, due_at, error, message,
    traceback"""


@dataclass(frozen=True)
class Failing:
    """One key whose refresh failed; the fields are the table's columns.

    Attributes:
        due_at: when it is tried again; None for a dead letter.
    """

    digest: uuid.UUID
    fingerprint: str
    key: str
    product: str
    attempts: int
    first_at: datetime
    due_at: datetime | None
    error: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Match:
    """The failures that are looked for; each empty part matches all.

    Attributes:
        product: its name.
        state: ``"dead"`` or ``"retrying"``.
        error: the type of the error, as it is kept.
    """

    product: str = ""
    state: str = ""
    error: str = ""


@dataclass(frozen=True)
class Page:
    """Some failures, and where the next page begins; None where there is none."""

    failing: list[Failing]
    after: Place | None


def page(cursor: Cursor, match: Match, after: Place | None, size: int) -> Page:
    """The next failures that match, of the page the longest standing first.

    Args:
        after: where the page begins; None for the first.
        size: how many at the most.
    """
    conditions: list[str] = ["true"]
    parameters: dict[str, Any] = {}
    if match.product:
        conditions.append("product = %(product)s")
        parameters["product"] = match.product
    if match.error:
        conditions.append("error = %(error)s")
        parameters["error"] = match.error
    if match.state:
        conditions.append(STATES[match.state])
    if after is not None:
        conditions.append("(digest, fingerprint) > (%(digest)s, %(fingerprint)s)")
        parameters |= {"digest": after.digest, "fingerprint": after.fingerprint}
    clock.aware(cursor).execute(
        f"SELECT {_COLUMNS} FROM kck_publish_failure WHERE {' AND '.join(conditions)} "
        f"ORDER BY digest, fingerprint LIMIT {size + 1}",
        parameters,
    )
    rows = [Failing(*row) for row in cursor.fetchall()]
    last = rows[size - 1] if len(rows) > size else None
    shown = sorted(rows[:size], key=lambda failing: failing.first_at)
    return Page(shown, None if last is None else Place(last.digest, last.fingerprint))


def pages(cursor: Cursor, match: Match) -> Iterator[list[Failing]]:
    """All failures that match, some thousand at once, as they are then."""
    after: Place | None = None
    while True:
        part = page(cursor, match, after, LOOKED_AT)
        if part.failing:
            yield part.failing
        if part.after is None:
            return
        after = part.after


def retry(cursor: Cursor, keys: list[str]) -> int:
    """Have keys that failed tried again now: dead letters from the first attempt on.

    Returns:
        how many of them are tried again.
    """
    revived = failures.revive(cursor, keys)
    rest = sorted(set(keys) - set(revived))
    refreshes.log(cursor, refreshes.REFRESH, rest)
    return len(revived) + len(rest)


def discard(cursor: Cursor, keys: list[str]) -> list[str]:
    """Forget those of these keys that are dead letters; their values stay as they are, behind."""
    return failures.discard(cursor, keys)
