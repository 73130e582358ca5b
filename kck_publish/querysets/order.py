"""The order of kept rows, as PostgreSQL has it: what is listed, and where another row belongs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models.expressions import OrderBy

from ..aggregates.columns import Reversed
from ..exceptions import Reprime
from .exact_conditions import numbered

Row = list[Any]


class Collated:
    """A text whose place among others the database's collation tells, and Python does not."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Collated) and self.text == other.text

    def __lt__(self, other: Collated) -> bool:
        raise Reprime("the order of texts is the database's")

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Term:
    """One column of an order.

    Attributes:
        index: where kept rows have it.
        down: the greatest first.
        nulls_first: whether NULLs come before all others.
        collated: whether it is a text in the database's collation.
    """

    index: int
    down: bool
    nulls_first: bool
    collated: bool

    @classmethod
    def of(cls, part: OrderBy, index: int, collated: bool) -> Term:
        """The term that a query has; without a word on NULLs they are the greatest."""
        first = bool(part.nulls_first) or (part.descending and not part.nulls_last)
        return cls(index, part.descending, first, collated)

    def key(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """The row's place by this column."""
        value = row[self.index]
        if value is None:
            return (0 if self.nulls_first else 2,)
        known: Any = Collated(value) if self.collated else numbered(value)
        return (1, Reversed(known) if self.down else known)


@dataclass(frozen=True)
class Listing:
    """The first rows of an order that has no ties.

    Attributes:
        terms: the order.
        identity: how many values at a row's beginning tell it from others.
        high: so many are shown; None for all.
        held: so many are kept.
    """

    terms: Sequence[Term]
    identity: int
    high: int | None
    held: int | None

    def key(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """The row's place."""
        return tuple(term.key(row) for term in self.terms)

    def amended(
        self, rows: Sequence[Row], more: bool, changed: Mapping[Hashable, Row | None]
    ) -> tuple[list[Row], bool]:
        """The first rows after changes.

        Args:
            rows: those that are held.
            more: whether there are others, all of them behind.
            changed: by identity, the rows as they are now; None for one that is not there.

        Raises:
            Reprime: which rows are the first is not known any more.
        """
        added = dict(changed)
        kept: list[Row] = []
        for row in rows:
            name = tuple(row[: self.identity])
            if name not in added:
                kept.append(row)
                continue
            now = added[name]
            if now is not None and self.key(now) == self.key(row):
                kept.append(now)
                del added[name]
            elif now is None:
                del added[name]
        keys = [self.key(row) for row in kept]
        for row in (row for row in added.values() if row is not None):
            index = bisect_left(keys, self.key(row))
            if index < len(keys) or not more:  # behind the last one held others may come first
                kept.insert(index, row)
                keys.insert(index, self.key(row))
        if self.held is not None and len(kept) > self.held:
            kept, more = kept[: self.held], True
        if more and (self.high is None or len(kept) < self.high):
            raise Reprime("the reserve is used up")
        return kept, more
