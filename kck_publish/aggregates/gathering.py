"""The states of many keys from the rows themselves: what an ``AggregatePrimer`` computes.

One query for all scalars of all keys, and one more for each tally and each list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Count, F, Model, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from ..conf import settings
from ..products.product import Parameters
from .base import Aggregate, Listed, Scalar, Tallied
from .conditions import Where

KeyOf = Callable[[Parameters], str]
_ROWS, _PLACE, _TIMES = "kck_rows", "kck_place", "kck_times"


class Gathering:
    """Asks for the rows of some keys.

    Args:
        model: whose rows they are.
        mapping: by parameter, the attname that it is found in.
        where: conditions on all rows.
        key_of: the key of parameters.
    """

    def __init__(
        self, model: type[Model], mapping: Mapping[str, str], where: Where, key_of: KeyOf
    ) -> None:
        self._model = model
        self._mapping = mapping
        self._where = where
        self._key_of = key_of
        self._columns = list(mapping.values())

    def rows(self) -> QuerySet[Any]:
        """All rows that count, in any key."""
        rows: QuerySet[Any] = QuerySet(self._model, using=settings.DATABASE)
        return rows.filter(self._where.q).order_by()

    def members(self) -> Iterable[Parameters]:
        """The parameters of every key that has a row; a row with NULL is of no key."""
        rows = self.rows().values_list(*self._columns).distinct() if self._columns else [()]
        return (
            dict(zip(self._mapping, values, strict=True))
            for values in rows
            if all(value is not None for value in values)
        )

    def states(
        self, aggregates: Sequence[Aggregate], wanted: Sequence[Parameters]
    ) -> list[tuple[int, list[Any]]]:
        """For each of the wanted, how many rows it has, and the state of each aggregate."""
        keys = [self._key_of(parameters) for parameters in wanted]
        rows = self.rows().filter(among(self._mapping, wanted)) if self._columns else self.rows()
        scalars = [
            (index, aggregate)
            for index, aggregate in enumerate(aggregates)
            if isinstance(aggregate, Scalar) and not isinstance(aggregate, Tallied)
        ]
        counts = dict.fromkeys(keys, 0)
        states = {key: [aggregate.empty() for aggregate in aggregates] for key in keys}
        for key, number, answers in self._scalars(rows, [scalar for _, scalar in scalars]):
            if key in states:
                counts[key] = number
                for (index, scalar), answer in zip(scalars, answers, strict=True):
                    states[key][index] = scalar.state(answer)
        for index, aggregate in enumerate(aggregates):
            of_keys: Iterable[tuple[str, Any]] = ()
            if isinstance(aggregate, Tallied):
                of_keys = self._tallies(rows, aggregate)
            elif isinstance(aggregate, Listed):
                of_keys = self._lists(rows, aggregate, alone=len(keys) == 1)
            for key, state in of_keys:
                if key in states:
                    states[key][index] = state
        return [(counts[key], states[key]) for key in keys]

    def _scalars(
        self, rows: QuerySet[Any], scalars: Sequence[Scalar]
    ) -> Iterable[tuple[str, int, list[list[Any]]]]:
        expressions = [scalar.expressions() for scalar in scalars]
        asked = {_ROWS: Count("*")}
        for index, group in enumerate(expressions):
            asked |= {f"kck_{index}_{part}": expression for part, expression in enumerate(group)}
        if self._columns:
            answers: Iterable[Any] = rows.values(*self._columns).annotate(**asked)
        else:
            answers = [rows.aggregate(**asked)]
        for row in answers:
            yield (
                self._key(row),
                row[_ROWS],
                [
                    [row[f"kck_{index}_{part}"] for part in range(len(group))]
                    for index, group in enumerate(expressions)
                ],
            )

    def _tallies(self, rows: QuerySet[Any], tallied: Tallied) -> Iterable[tuple[str, Any]]:
        column = tallied.column
        counted = rows.filter(tallied.where.q, **{f"{column.attname}__isnull": False})
        grouped = counted.values(*self._columns, kck_value=column.expression)
        counts: dict[str, list[tuple[Any, int]]] = defaultdict(list)
        for row in grouped.annotate(**{_TIMES: Count("*")}):
            counts[self._key(row)].append((column.clean(row["kck_value"]), row[_TIMES]))
        return ((key, tallied.tally(values)) for key, values in counts.items())

    def _lists(self, rows: QuerySet[Any], listed: Listed, alone: bool) -> Iterable[tuple[str, Any]]:
        rows = rows.filter(listed.where.q)
        by = [term.expression for term in listed.terms]
        if listed.held is not None and (alone or not self._columns):
            rows = rows.order_by(*by)[: listed.held + 1]
        elif listed.held is not None:
            groups = [F(column) for column in self._columns]
            place = Window(RowNumber(), partition_by=groups, order_by=by)
            rows = rows.annotate(**{_PLACE: place}).filter(**{f"{_PLACE}__lte": listed.held + 1})
        of_keys: dict[str, list[list[Any]]] = defaultdict(list)
        for row in rows.values(*dict.fromkeys([*self._columns, *listed.columns])):
            of_keys[self._key(row)].append([row[name] for name in listed.columns])
        return ((key, listed.listing(items)) for key, items in of_keys.items())

    def _key(self, row: Mapping[str, Any]) -> str:
        return self._key_of({name: row[column] for name, column in self._mapping.items()})


def among(mapping: Mapping[str, str], wanted: Sequence[Parameters]) -> Q:
    """The rows of these parameters and of no others, in few terms.

    ``(a = 1 AND b IN (1, 2)) OR (a = 2 AND b IN (3))``: grouped by all parameters but the one that
    makes the fewest groups.
    """
    best: dict[tuple[Any, ...], list[Any]] = {}
    chosen = next(iter(mapping))
    for name in mapping:
        groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
        for parameters in wanted:
            groups[tuple(parameters[other] for other in mapping if other != name)].append(
                parameters[name]
            )
        if not best or len(groups) < len(best):
            best, chosen = groups, name
    others = [column for name, column in mapping.items() if name != chosen]
    terms = [
        Q(
            _any(mapping[chosen], values),
            *(_any(column, [value]) for column, value in zip(others, shared, strict=True)),
        )
        for shared, values in best.items()
    ]
    return Q(*terms, _connector=Q.OR)


def _any(column: str, values: Sequence[Any]) -> Q:
    known = [value for value in values if value is not None]
    term = Q(**{f"{column}__in": known}) if len(known) != 1 else Q(**{column: known[0]})
    return term if len(known) == len(values) else (term | Q(**{f"{column}__isnull": True}))
