"""Rows in an order, kept as they are shown: all of them, or the first ones and a reserve."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from django.db.models import F, Window
from django.db.models.expressions import OrderBy
from django.db.models.functions import RowNumber

from ..exceptions import Reprime
from ..products.product import Parameters
from .kept import MANY, Image, Kept, Source, State
from .kept_columns import Place, Places
from .order import Listing, Row

_PLACE = "kck_place"


class KeptRows(Kept):
    """The rows of a query.

    Args:
        columns: what is kept of each: first its primary key.
        by: the order, in the database's words.
        listing: the same for Python.
        low: so many of the first are not shown.
        give: makes of the columns of rows what the queryset gives.
    """

    kind = "rows"

    def __init__(
        self,
        source: Source,
        places: Places,
        columns: Sequence[Place],
        by: Sequence[OrderBy],
        listing: Listing,
        low: int,
        give: Callable[[Sequence[Row]], Any],
    ) -> None:
        super().__init__(source, places)
        self._columns = columns
        self._by = by
        self._listing = listing
        self._low = low
        self._give = give

    def gather(self, wanted: Sequence[Parameters]) -> list[State]:
        held, rows = self._listing.held, self.source.rows(wanted)
        names = [*self.source.names, *(f"kck_c{number}" for number in range(len(self._columns)))]
        columns = {f"kck_c{number}": place.col for number, place in enumerate(self._columns)}
        rows = rows.annotate(**columns)
        if held is not None and (len(wanted) == 1 or not self.source.names):
            rows = rows.order_by(*self._by)[: held + 1]
        elif held is not None:
            groups = [F(name) for name in self.source.names]
            place = Window(RowNumber(), partition_by=groups, order_by=[*self._by])
            rows = rows.annotate(**{_PLACE: place}).filter(**{f"{_PLACE}__lte": held + 1})
            rows = rows.order_by(_PLACE)
        else:
            rows = rows.order_by(*self._by)
        by_key = self.by_key(rows.values_list(*names))
        return [self._state(by_key.get(self.source.key_of(each), [])) for each in wanted]

    def _state(self, rows: list[Row]) -> State:
        held = self._listing.held
        kept = (rows, False) if held is None else (rows[:held], len(rows) > held)
        return State(kept if len(kept[0]) <= MANY else None, self.show(kept))

    def amend(
        self,
        kept: tuple[list[Row], bool],
        images: Sequence[tuple[Image | None, Image | None]],
    ) -> tuple[list[Row], bool]:
        rows, more = kept
        pk = len(self.source.pk)
        there = {tuple(row[:pk]) for row in rows}
        changed: dict[Hashable, Row | None] = {}
        for images_of_change in images:
            old, new = (None if one is None else self._row(one) for one in images_of_change)
            if old is not None:
                name = tuple(old[:pk])
                known = name in there or more
                if (changed[name] is None) if name in changed else not known:
                    raise Reprime("a row leaves that was never listed")
                changed[name] = None
            if new is not None:
                name = tuple(new[:pk])
                if (name in there or name in changed) and changed.get(name, new) is not None:
                    raise Reprime("a row comes that is listed")
                changed[name] = new
        return self._listing.amended(rows, more, changed)

    def _row(self, image: Image) -> Row:
        return [image[place.attname] for place in self._columns]

    def show(self, kept: tuple[list[Row], bool]) -> Any:
        return self._give(kept[0][self._low : self._listing.high])

    def pack(self, kept: tuple[list[Row], bool]) -> Any:
        return list(kept)

    def unpack(self, stored: Any) -> tuple[list[Row], bool]:
        rows, more = stored
        return rows, more
