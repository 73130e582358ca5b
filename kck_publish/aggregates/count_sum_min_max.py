"""Count, Sum, Average, Min, Max: NULLs do not count, and of no values there is None, as in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Count as SQLCount
from django.db.models import F, Model, Value
from django.db.models import Max as SQLMax
from django.db.models import Min as SQLMin
from django.db.models import Sum as SQLSum

from ..exceptions import Reprime
from ..public_names import public_in
from . import exact_sums
from .base import OfColumn, Scalar, Tallied
from .columns import Column

_ORDERED = (
    "integer",
    "float",
    "decimal",
    "datetime",
    "date",
    "time",
    "duration",
    "text",
)


@public_in("kck_publish.aggregates")
class Count(Scalar):
    """The number of rows; with a column, of those that have a value in it."""

    def __init__(self, name: str | None = None, *, where: Mapping[str, Any] | None = None) -> None:
        super().__init__(where=where)
        self._name = name

    def names(self) -> list[str]:
        return [*([self._name] if self._name else []), *super().names()]

    def prepare(self, model: type[Model]) -> None:
        self.column = Column(model, self._name) if self._name else None

    def expressions(self) -> Sequence[Any]:
        counted = F(self.column.attname) if self.column else Value(1)
        return [SQLCount(counted, filter=self.where.q or None)]

    def state(self, values: Sequence[Any]) -> int:
        return int(values[0])

    def empty(self) -> int:
        return 0

    def change(self, state: int, image: Mapping[str, Any], sign: int) -> int:
        if self.column is not None and self.column.is_null(image[self.column.attname]):
            return state
        return state + sign


@public_in("kck_publish.aggregates")
class Sum(OfColumn, Scalar):
    """The sum of a column of integers, decimals or durations; None of no values.

    The state is the number of values and their total.
    """

    def bind(self, model: type[Model]) -> Any:
        if type(self) is Sum and Column(model, self._name).kind == "float":
            return FloatSum(self._name, where=self._conditions).bind(model)
        return super().bind(model)

    def prepare(self, model: type[Model]) -> None:
        super().prepare(model)
        advice = "Columns of integers, decimals, floats and durations can be added up."
        kinds = () if self.column.field.is_relation else tuple(exact_sums.BY_KIND)
        self.column.check(type(self).__name__, kinds, advice)
        self.sums = exact_sums.BY_KIND[self.column.kind]

    def expressions(self) -> Sequence[Any]:
        column = F(self.column.attname)
        return [
            SQLCount(column, filter=self.where.q or None),
            SQLSum(column, filter=self.where.q or None),
        ]

    def state(self, values: Sequence[Any]) -> list[Any]:
        count, total = values
        return [count, self.column.clean(total)] if count else self.empty()

    def empty(self) -> list[Any]:
        return [0, self.sums.zero]

    def change(self, state: list[Any], image: Mapping[str, Any], sign: int) -> list[Any]:
        value = self.column.value_in(image)
        if value is None:
            return state
        return [state[0] + sign, self.column.clean(self.sums.plus(state[1], value, sign))]

    def settle(self, state: list[Any], rows: int) -> list[Any]:
        return state if state[0] else self.empty()

    def show(self, state: list[Any]) -> Any:
        return self.sums.shown(state[1]) if state[0] else None


class FloatSum(Sum, Tallied):
    """Sum of a column of floats: SQL's own would depend on the order of the rows."""

    def tally(self, counts: Iterable[tuple[Any, int]]) -> list[Any]:
        known = list(counts)
        return [sum(times for _, times in known), exact_sums.total("float", known)]

    def change(self, state: list[Any], image: Mapping[str, Any], sign: int) -> list[Any]:
        value = self.column.value_in(image)
        if value is None:
            return state
        return [state[0] + sign, self.sums.plus(state[1], value, sign)]


@public_in("kck_publish.aggregates")
class Average(Sum):
    """The mean, from the exact sum: a float of integers and floats, a Decimal of 28 digits of
    decimals, a timedelta of durations. None of no values.
    """

    def bind(self, model: type[Model]) -> Any:
        if type(self) is Average and Column(model, self._name).kind == "float":
            return FloatAverage(self._name, where=self._conditions).bind(model)
        return super().bind(model)

    def show(self, state: list[Any]) -> Any:
        return self.sums.mean(state[1], state[0]) if state[0] else None


class FloatAverage(Average, FloatSum):
    """Average of a column of floats."""


@public_in("kck_publish.aggregates")
class Min(OfColumn, Scalar):
    """The least value, or None. When it leaves, the product is primed. Texts go by code points."""

    _sql: Any = SQLMin

    def prepare(self, model: type[Model]) -> None:
        super().prepare(model)
        advice = "Numbers, texts, dates, times and durations have a least and a greatest value."
        self.column.check(type(self).__name__, _ORDERED, advice)

    def expressions(self) -> Sequence[Any]:
        return [self._sql(self.column.expression, filter=self.where.q or None)]

    def state(self, values: Sequence[Any]) -> Any:
        return None if values[0] is None else self.column.clean(values[0])

    def empty(self) -> Any:
        return None

    def change(self, state: Any, image: Mapping[str, Any], sign: int) -> Any:
        value = self.column.value_in(image)
        if value is None:
            return state
        known = state.bound if isinstance(state, _Gone) else state
        if sign > 0:
            if known is None or not self._before(known, value):
                return value
        elif known == value:
            return _Gone(known)
        elif known is None or self._before(value, known):
            raise Reprime("a row leaves that was never counted")
        return state

    def settle(self, state: Any, rows: int) -> Any:
        if not rows:
            return None
        if isinstance(state, _Gone):
            raise Reprime("the extreme has left, and the next one is not known")
        return state

    def _before(self, value: Any, other: Any) -> bool:
        return bool(value < other)


@public_in("kck_publish.aggregates")
class Max(Min):
    """The greatest value, or None. When it leaves, the product is primed."""

    _sql = SQLMax

    def _before(self, value: Any, other: Any) -> bool:
        return bool(value > other)


class _Gone:
    """The extreme has left: what is left is not beyond it, and more is not known."""

    def __init__(self, bound: Any) -> None:
        self.bound = bound
