"""The stored entries, page by page: what an operator looks through, and acts on.

A page begins behind the last row of the one before, in the order of the digests, and looks at a
bounded number of rows: so it takes some milliseconds, whatever is stored and is looked for.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from .. import clock
from ..log.keys import identify
from ..postgres import Cursor
from ..products.graph import Graph
from ..reading import manual_values
from ..stores import HAND, READER, Address

# So many rows are looked at for one page, and taken at once by who acts on all.
LOOKED_AT = 10_000
_STATES = {
    "behind": "behind",
    "expired": "hard_expire <= %(now)s",
    "absent": "reason = 'absent'",
    "hand": f"by = '{HAND}'",
    "reader": f"by = '{READER}'",
    "outdated": "fingerprint <> ALL (%(fingerprints)s)",
}
STATES = tuple(_STATES)
_COLUMNS = """digest, fingerprint, key, product, version, by, primed_at, soft_expire, hard_expire,
    behind, reason, seconds, octet_length(body) AS bytes"""
_OF_PRODUCT = "product = %(product)s"
_OF_KEY = "digest = %(digest)s"
_AFTER = "(digest, fingerprint) > (%(digest_after)s, %(fingerprint_after)s)"
_STARTS = "starts_with(key, %(start)s)"


class Place(NamedTuple):
    """A place among the entries: behind this one."""

    digest: uuid.UUID
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.digest.hex}:{self.fingerprint}"

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """The place that is written so; None for another text."""
        digest, _, fingerprint = text.replace("\0", "").partition(":")
        try:
            return cls(uuid.UUID(digest), fingerprint)
        except ValueError:
            return None


@dataclass(frozen=True)
class Listed:
    """One stored entry, without its value; the fields are the table's columns.

    Attributes:
        bytes: of the value; None where there is none, or where it is in a cache.
        outdated: whether another version of the code has made it.
    """

    digest: uuid.UUID
    fingerprint: str
    key: str
    product: str
    version: int
    by: str
    primed_at: datetime
    soft_expire: datetime | None
    hard_expire: datetime | None
    behind: bool
    reason: str
    seconds: float
    bytes: int | None
    outdated: bool

    @property
    def address(self) -> Address:
        """Where it is stored."""
        return Address(self.key, self.fingerprint)


@dataclass(frozen=True)
class Match:
    """The entries that are looked for; each empty part matches all.

    Attributes:
        product: its name.
        state: one of ``STATES``.
        text: a key; with ``*`` at its end, what keys begin with.
    """

    product: str = ""
    state: str = ""
    text: str = ""

    @property
    def is_whole_product(self) -> bool:
        """Whether all entries of one product match."""
        return bool(self.product) and not (self.state or self.text)


@dataclass(frozen=True)
class Page:
    """Some entries that match, and where the next page begins.

    Attributes:
        after: None where no more is to be looked at.
        looked_at: how many rows were looked at for it.
    """

    entries: list[Listed]
    after: Place | None
    looked_at: int


def page(cursor: Cursor, graph: Graph, match: Match, after: Place | None, size: int) -> Page:
    """The next entries that match.

    Args:
        graph: of this code's products: what is outdated is told by it.
        after: where the page begins; None for the first.
        size: how many entries at the most. There may be fewer, none even, before the last page.
    """
    where, which, parameters = _conditions(graph, match, after)
    # Of a product many at once: for a few, the planner would look for them among all others.
    look = LOOKED_AT if which or match.product else size + 1
    cursor = clock.aware(cursor)
    cursor.execute(
        f"""
        WITH part AS MATERIALIZED (
            SELECT {_COLUMNS} FROM kck_publish_entry {_all_of(where)}
             ORDER BY digest, fingerprint LIMIT {look}
        ), end_of_part AS (
            SELECT digest, fingerprint, count(*) OVER () AS looked FROM part
             ORDER BY digest DESC, fingerprint DESC LIMIT 1
        )
        SELECT l.looked, l.digest, l.fingerprint, m.*
          FROM end_of_part l LEFT JOIN LATERAL (
            SELECT * FROM part {_all_of(which)} ORDER BY digest, fingerprint LIMIT {size + 1}) m
            ON true
        """,
        parameters,
    )
    rows = cursor.fetchall()
    if not rows:
        return Page([], None, 0)
    known = set(parameters["fingerprints"])
    looked, *end = rows[0][:3]
    columns: list[list[Any]] = [[*row[3:], row[4] not in known] for row in rows if row[3]]
    listed = [Listed(*each) for each in columns]
    if len(listed) > size:
        last = listed[size - 1]
        return Page(listed[:size], Place(last.digest, last.fingerprint), looked)
    return Page(listed, Place(*end) if looked >= look else None, looked)


def pages(cursor: Cursor, graph: Graph, match: Match) -> Iterator[list[Listed]]:
    """All entries that match, some thousand at once, as they are then."""
    after: Place | None = None
    while True:
        part = page(cursor, graph, match, after, LOOKED_AT - 1)
        if part.entries:
            yield part.entries
        if part.after is None:
            return
        after = part.after


def _conditions(
    graph: Graph, match: Match, after: Place | None
) -> tuple[list[str], list[str], dict[str, Any]]:
    """What an index finds, what is looked for among the rows, and the parameters of both."""
    parameters: dict[str, Any] = {
        "product": match.product,
        "now": clock.now(),
        "fingerprints": [*graph.fingerprints, manual_values.fingerprint()],
    }
    where, which = [], []
    start = match.text.removesuffix("*")
    if match.text and start == match.text:
        where.append(_OF_KEY)
        parameters["digest"] = uuid.UUID(identify(match.text))
    elif match.text:
        which.append(_STARTS)
        parameters["start"] = start
        name, slash, _ = start.partition("/")
        if slash:  # keys of one product, which an index finds
            where.append("product = %(start_product)s")
            parameters["start_product"] = name
    if match.product:
        where.append(_OF_PRODUCT)
    if after is not None:
        where.append(_AFTER)
        parameters |= {"digest_after": after.digest, "fingerprint_after": after.fingerprint}
    if match.state:
        which.append(_STATES[match.state])
    return where, which, parameters


def _all_of(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""
