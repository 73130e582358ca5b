"""Numbers of all rows (count, exists, aggregate), and of the rows of each group."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from django.db.models import Count as SQLCount
from django.db.models import Value
from django.db.models.expressions import OrderBy

from ..exceptions import Reprime
from ..products.product import Parameters
from .kept import MANY, Image, Kept, Source, State
from .kept_columns import Place, Places
from .order import Listing, Row
from .totals import Total

Images = Sequence[tuple[Image | None, Image | None]]
# The number of rows, and the state of each aggregate.
Totals = list[Any]


class _Totalled(Kept):
    def __init__(self, source: Source, places: Places, totals: Sequence[Total]) -> None:
        super().__init__(source, places)
        self._totals = totals

    @property
    def _asked(self) -> dict[str, Any]:
        asked: dict[str, Any] = {"kck_rows": SQLCount(Value(1))}
        for number, total in enumerate(self._totals):
            for part, expression in enumerate(total.expressions):
                asked[f"kck_{number}_{part}"] = expression
        return asked

    def _state_of(self, answers: Sequence[Any]) -> Totals:
        rows, *rest = answers
        states = []
        for total in self._totals:
            count = len(total.expressions)
            states.append(total.machine.state(rest[:count]))
            rest = rest[count:]
        return [rows, states]

    def _empty(self) -> Totals:
        return [0, [total.machine.empty() for total in self._totals]]

    def _change(self, kept: Totals, image: Image, sign: int) -> None:
        kept[0] += sign
        kept[1] = [
            total.change(state, image, sign)
            for total, state in zip(self._totals, kept[1], strict=True)
        ]

    def _settle(self, kept: Totals) -> None:
        if kept[0] < 0:
            raise Reprime("a row leaves that was never counted")
        kept[1] = [
            total.machine.settle(state, kept[0])
            for total, state in zip(self._totals, kept[1], strict=True)
        ]

    def _pack_states(self, states: Sequence[Any]) -> list[Any]:
        return [
            total.machine.pack(state) for total, state in zip(self._totals, states, strict=True)
        ]

    def _unpack_states(self, stored: Sequence[Any]) -> list[Any]:
        return [
            total.machine.unpack(state) for total, state in zip(self._totals, stored, strict=True)
        ]

    def _shown(self, kept: Totals) -> list[Any]:
        return [total.show(state) for total, state in zip(self._totals, kept[1], strict=True)]


class KeptTotals(_Totalled):
    """Aggregates of all rows of a key.

    Args:
        give: makes the value of the number of rows and of what the aggregates show.
    """

    kind = "totals"

    def __init__(
        self,
        source: Source,
        places: Places,
        totals: Sequence[Total],
        give: Callable[[int, Sequence[Any]], Any],
    ) -> None:
        super().__init__(source, places, totals)
        self._give = give

    def gather(self, wanted: Sequence[Parameters]) -> list[State]:
        rows, names, asked = self.source.rows(wanted), self.source.names, self._asked
        if names:
            answers = rows.values_list(*names).annotate(**asked).values_list(*names, *asked)
            by_key = self.by_key(answers)
        else:
            found = rows.aggregate(**asked)
            by_key = {(): [[found[name] for name in asked]]}
        states = []
        for each in wanted:
            answer = by_key.get(self.source.key_of(each))
            kept = self._empty() if answer is None else self._state_of(answer[0])
            states.append(State(kept, self.show(kept)))
        return states

    def amend(self, kept: Totals, images: Images) -> Totals:
        for old, new in images:
            for image, sign in ((old, -1), (new, 1)):
                if image is not None:
                    self._change(kept, image, sign)
        self._settle(kept)
        return kept

    def show(self, kept: Totals) -> Any:
        return self._give(kept[0], self._shown(kept))

    def pack(self, kept: Totals) -> Any:
        return [kept[0], self._pack_states(kept[1])]

    def unpack(self, stored: Any) -> Totals:
        return [stored[0], self._unpack_states(stored[1])]


class KeptGroups(_Totalled):
    """Aggregates of each group, in an order.

    What is kept of each are its columns, the values of its aggregates, and its state.

    Args:
        columns: what rows are grouped by.
        order: in the database's words: the aggregates in it, by name, and its terms.
        listing: the same for Python.
        limits: how many of the first are not shown, and up to which they are.
        give: makes of groups, each its columns and values, what the queryset gives.
    """

    kind = "groups"

    def __init__(
        self,
        source: Source,
        places: Places,
        totals: Sequence[Total],
        columns: Sequence[Place],
        order: tuple[Mapping[str, Any], Sequence[OrderBy]],
        listing: Listing,
        limits: tuple[int, int | None],
        give: Callable[[Sequence[Row]], Any],
    ) -> None:
        super().__init__(source, places, totals)
        self._columns = columns
        self._ordering, self._by = order
        self._listing = listing
        self._low, self._high = limits
        self._give = give

    def gather(self, wanted: Sequence[Parameters]) -> list[State]:
        groups = {f"kck_g{number}": place.col for number, place in enumerate(self._columns)}
        names, asked = [*self.source.names, *groups], self._asked
        rows = self.source.rows(wanted).annotate(**groups).values(*names)
        rows = rows.annotate(**asked, **self._ordering).order_by(*self._by)
        by_key = self.by_key(rows.values_list(*names, *asked))
        return [self._state(by_key.get(self.source.key_of(each), [])) for each in wanted]

    def _state(self, answers: Sequence[Row]) -> State:
        count = len(self._columns)
        kept = [self._group(answer[:count], self._state_of(answer[count:])) for answer in answers]
        return State(kept if len(kept) <= MANY else None, self.show(kept))

    def _group(self, values: Sequence[Any], totals: Totals) -> Row:
        return [*values, *self._shown(totals), totals]

    def amend(self, kept: list[Row], images: Images) -> list[Row]:
        count = len(self._columns)
        totals: dict[tuple[Any, ...], Totals] = {tuple(row[:count]): row[-1] for row in kept}
        touched: dict[tuple[Any, ...], None] = {}
        for old, new in images:
            for image, sign in ((old, -1), (new, 1)):
                if image is not None:
                    name = tuple(image[place.attname] for place in self._columns)
                    touched[name] = None
                    self._change(totals.setdefault(name, self._empty()), image, sign)
        changed: dict[Hashable, Row | None] = {}
        for name in touched:
            state = totals[name]
            self._settle(state)
            changed[name] = self._group(name, state) if state[0] else None
        rows, _ = self._listing.amended(kept, False, changed)
        return rows

    def show(self, kept: list[Row]) -> Any:
        return self._give([row[:-1] for row in kept[self._low : self._high]])

    def pack(self, kept: list[Row]) -> Any:
        count = len(self._columns)
        return [[row[:count], row[-1][0], self._pack_states(row[-1][1])] for row in kept]

    def unpack(self, stored: Any) -> list[Row]:
        return [
            self._group(values, [rows, self._unpack_states(states)])
            for values, rows, states in stored
        ]
