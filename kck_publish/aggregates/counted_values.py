"""Histogram and Set: the values of a column, and how often each comes. NULLs do not count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.db.models import Model

from ..exceptions import InvalidPrimer, Reprime
from ..public_names import public_in
from .base import Tallied
from .columns import OTHER

Counts = dict[Any, int]


class _Counted(Tallied):
    """The state is a dict from the value to how many rows have it."""

    def counted_as(self, value: Any) -> Any:
        """The text under which a value is counted."""
        return value

    def empty(self) -> Counts:
        return {}

    def tally(self, counts: Iterable[tuple[Any, int]]) -> Counts:
        counted: Counts = {}
        for value, times in counts:
            group = self.counted_as(value)
            counted[group] = counted.get(group, 0) + times
        return counted

    def change(self, state: Counts, image: Mapping[str, Any], sign: int) -> Counts:
        value = self.column.value_in(image)
        if value is not None:
            group = self.counted_as(value)
            state[group] = state.get(group, 0) + sign
        return state

    def settle(self, state: Counts, rows: int) -> Counts:
        if any(times < 0 for times in state.values()):
            raise Reprime("a row leaves that was never counted")
        return {value: times for value, times in state.items() if times}

    def pack(self, state: Counts) -> Any:
        return [[value, state[value]] for value in sorted(state)]

    def unpack(self, stored: Any) -> Counts:
        return dict(stored)


@public_in("kck_publish.aggregates")
class Histogram(_Counted):
    """The count of each value: a dict in the order of the values.

    Args:
        name: a column of integers, texts or dates (whose keys are their ISO texts).
        width: of integers, count those of a range as one, named by its lower end:
            with 15, a delay of 20 counts at 15 and one of -3 at -15.
    """

    def __init__(
        self, name: str, *, width: int | None = None, where: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(name, where=where)
        self._width = width

    def prepare(self, model: type[Model]) -> None:
        super().prepare(model)
        advice = "Integers, texts and dates can be the keys of what JSON calls an object."
        self.column.check("Histogram", ("integer", "text", "date"), advice)
        if self._width is not None and (self._width < 1 or self.column.kind != "integer"):
            raise InvalidPrimer(
                f"Histogram({self._name!r}): width is a whole number from 1 on, of a column of "
                "integers."
            )

    def counted_as(self, value: Any) -> Any:
        if isinstance(value, date):
            return value.isoformat()
        return value if self._width is None else value // self._width * self._width

    def show(self, state: Counts) -> Counts:
        return {value: state[value] for value in sorted(state)}


@public_in("kck_publish.aggregates")
class Set(_Counted):
    """The distinct values of a column. A value leaves with the last row that has it."""

    def prepare(self, model: type[Model]) -> None:
        super().prepare(model)
        if self.column.kind == OTHER:
            self.column.check("Set", (), "Which of its values are equal is not sure.")

    def show(self, state: Counts) -> set[Any]:
        return set(state)
