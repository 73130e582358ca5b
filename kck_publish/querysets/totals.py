"""The aggregates of a query, as those of an ``AggregatePrimer``: with its own columns."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import connections
from django.db.models import Aggregate as SQLAggregate
from django.db.models import Count as SQLCount
from django.db.models import Max as SQLMax
from django.db.models import Min as SQLMin
from django.db.models import Sum as SQLSum
from django.db.models.expressions import Star, Value
from django.db.models.functions import Coalesce

from ..aggregates import exact_sums
from ..aggregates.base import Scalar
from ..aggregates.count_sum_min_max import Count, Max, Min, Sum
from ..conf import settings
from .exact_conditions import Check, sure
from .kept_columns import Place, Places, Primed

_ADDED = ("integer", "decimal", "duration")
_ORDERED = (*_ADDED, "date", "datetime", "time")


class Total:
    """One aggregate of a query.

    Args:
        machine: keeps it up.
        expressions: what is asked of SQL for its state.
        holds: which rows count.
        empty: the value of no rows.
        numeric: whether SQL's answer is a numeric, of integers: of the sum of a bigint column.
    """

    def __init__(
        self,
        machine: Scalar,
        expressions: Sequence[Any],
        holds: Check,
        empty: Any,
        numeric: bool,
    ) -> None:
        self.machine = machine
        self.expressions = expressions
        self._holds = holds
        self._empty = empty
        self._numeric = numeric

    def change(self, state: Any, image: Mapping[str, Any], sign: int) -> Any:
        """The state with a row added (1) or taken away (-1). Raises Reprime, KeyError."""
        if self._holds(image) is not True:
            return state
        return self.machine.change(state, image, sign)

    def show(self, state: Any) -> Any:
        """The value that the queryset gives."""
        shown = self.machine.show(state)
        shown = self._empty if shown is None else shown
        return Decimal(shown) if self._numeric and shown is not None else shown


def total(parts: Sequence[Any], places: Places) -> Total:
    """The aggregate that an expression is.

    Args:
        parts: the same expression in all runs.

    Raises:
        Primed: it cannot be kept up exactly.
    """
    first, empty = parts[0], None
    if type(first) is Coalesce:
        inside = [part.get_source_expressions() for part in parts]
        if len(inside[0]) != 2 or not isinstance(inside[0][1], Value):
            raise Primed("a Coalesce of more than an aggregate and a value")
        empty = inside[0][1].value
        if any(each[1].value != empty for each in inside):
            raise Primed("the value of no rows is not the same for all keys")
        parts, first = [each[0] for each in inside], inside[0][0]
    made = _MADE.get(type(first))
    if made is None:
        raise Primed(f"{type(first).__name__} cannot be kept up exactly")
    filters = [_condition_of(part) for part in parts]
    holds = _always if filters[0] is None else sure(filters, places)
    (of,) = first.get_source_expressions()[:1]
    place = None if isinstance(of, Star | Value) else places.of(of)
    if first.distinct and not (place is not None and place.field.primary_key):
        raise Primed(f"a distinct {type(first).__name__}")
    machine, expressions = made(first, place)
    if empty is not None and (place is None or not place.fits(empty) or type(empty) is not int):
        raise Primed(f"the value of no rows is a {type(empty).__name__}")
    numeric = made is _sum and place is not None and place.kind == "integer" and _is_big(place)
    return Total(machine, expressions, holds, empty, numeric)


def _is_big(place: Place) -> bool:
    kind = place.field.db_type(connections[settings.DATABASE])
    return kind is not None and not re.match(r"(small|)(integer|serial)", kind)


def _always(image: Mapping[str, Any]) -> bool:
    return True


def _count(part: Any, place: Place | None) -> tuple[Scalar, list[Any]]:
    machine = Count(place.name if place else None)
    machine.column = place
    return machine, [_again(part, SQLCount)]


def _sum(part: Any, place: Place | None) -> tuple[Scalar, list[Any]]:
    if place is None or place.kind not in _ADDED or place.field.is_relation:
        raise Primed("a Sum of what is no column of integers, decimals or durations")
    machine = Sum(place.name)
    machine.column, machine.sums = place, exact_sums.BY_KIND[place.kind]
    return machine, [_again(part, SQLCount), _again(part, SQLSum)]


def _extreme(part: Any, place: Place | None) -> tuple[Scalar, list[Any]]:
    if place is None or place.kind not in _ORDERED or place.field.is_relation:
        raise Primed(f"a {type(part).__name__} of what Python may order otherwise")
    machine = Min(place.name) if type(part) is SQLMin else Max(place.name)
    machine.column = place
    return machine, [_again(part, type(part))]


def _again(part: Any, kind: type[SQLAggregate]) -> SQLAggregate:
    """The aggregate of another kind over the same, for a query of our own."""
    (of,) = part.get_source_expressions()[:1]
    where = copy.copy(_condition_of(part))
    return kind(Value(1) if isinstance(of, Star) else of, filter=where)


def _condition_of(part: Any) -> Any:
    """The condition of an aggregate's filter; Django 6.0 and later wrap it."""
    return getattr(part.filter, "condition", part.filter)


_MADE: Mapping[type[Any], Callable[[Any, Place | None], tuple[Scalar, list[Any]]]] = {
    SQLCount: _count,
    SQLSum: _sum,
    SQLMin: _extreme,
    SQLMax: _extreme,
}
