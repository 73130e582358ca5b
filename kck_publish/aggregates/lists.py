"""Top and Ordered: rows in an order that has no ties, because the primary key decides at last."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Model

from ..exceptions import InvalidPrimer, Reprime
from ..public_names import public_in
from .base import Listed
from .columns import Column, OrderTerm, order

Row = list[Any]


@public_in("kck_publish.aggregates")
class Ordered(Listed):
    """All rows in an order.

    Args:
        columns: what is shown of each row: a list of names gives a dict a row, one name its value.
        by: the columns that order them, ``"-departure"`` for the greatest first. NULLs come last,
            texts go by code points, and the primary key decides between equals.

    The state is the rows (as ``columns`` of the bound aggregate has them) in that order, and
    whether there are others that are not held.
    """

    held: int | None = None
    terms: list[OrderTerm]

    def __init__(
        self,
        columns: str | Sequence[str],
        *,
        by: str | Sequence[str],
        where: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(where=where)
        self._shown = columns if isinstance(columns, str) else list(columns)
        self._by = [by] if isinstance(by, str) else list(by)

    def names(self) -> list[str]:
        shown = [self._shown] if isinstance(self._shown, str) else self._shown
        return [*shown, *(name.removeprefix("-") for name in self._by), *super().names()]

    def prepare(self, model: type[Model]) -> None:
        self.terms = order(model, self._by)
        names = [self._shown] if isinstance(self._shown, str) else self._shown
        shown = [Column(model, name).attname for name in names]
        ordering = [term.column.attname for term in self.terms]
        self.columns = list(dict.fromkeys([*ordering, *shown]))
        self._ordering = [
            (self.columns.index(attname), term)
            for attname, term in zip(ordering, self.terms, strict=True)
        ]
        self._showing = [
            (name, self.columns.index(attname)) for name, attname in zip(names, shown, strict=True)
        ]

    def key(self, row: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            term.key(None if row[index] is None else term.column.clean(row[index]))
            for index, term in self._ordering
        )

    def empty(self) -> tuple[list[Row], bool]:
        return [], False

    def listing(self, rows: Sequence[Sequence[Any]]) -> tuple[list[Row], bool]:
        ordered = sorted((list(row) for row in rows), key=self.key)
        more = self.held is not None and len(ordered) > self.held
        return ordered[: self.held], more

    def change(
        self, state: tuple[list[Row], bool], image: Mapping[str, Any], sign: int
    ) -> tuple[list[Row], bool]:
        held, more = state
        row = [image[attname] for attname in self.columns]
        index = bisect_left(held, self.key(row), key=self.key)
        if sign < 0:
            if index < len(held) and self.key(held[index]) == self.key(row):
                del held[index]
            elif not more or index < len(held):
                raise Reprime("a row leaves that was never listed")
        elif index < len(held) or not more:  # behind the last one held others may come first
            held.insert(index, row)
            if self.held is not None and len(held) > self.held:
                del held[self.held :]
                more = True
        return held, more

    def show(self, state: tuple[list[Row], bool]) -> list[Any]:
        held, _ = state
        if isinstance(self._shown, str):
            ((_, index),) = self._showing
            return [row[index] for row in held]
        return [{name: row[index] for name, index in self._showing} for row in held]

    def pack(self, state: tuple[list[Row], bool]) -> Any:
        return list(state)

    def unpack(self, stored: Any) -> tuple[list[Row], bool]:
        held, more = stored
        return held, more


@public_in("kck_publish.aggregates")
class Top(Ordered):
    """The first rows of an order.

    Args:
        count: how many are shown.
        columns, by: as for ``Ordered``.
        reserve: how many more are kept, so that one that leaves has a successor; as many as are
            shown when None. When the reserve is used up, the product is primed.
    """

    def __init__(
        self,
        count: int,
        *,
        columns: str | Sequence[str],
        by: str | Sequence[str],
        reserve: int | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(columns, by=by, where=where)
        self._count = count
        self.held = count + (count if reserve is None else reserve)
        if count < 1 or self.held < count:
            raise InvalidPrimer("Top takes a count from 1 on, and a reserve from 0 on.")

    def settle(self, state: tuple[list[Row], bool], rows: int) -> tuple[list[Row], bool]:
        held, more = state
        if more and len(held) < self._count:
            raise Reprime("the reserve is used up")
        return state

    def show(self, state: tuple[list[Row], bool]) -> list[Any]:
        held, more = state
        return super().show((held[: self._count], more))
