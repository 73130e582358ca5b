"""Conditions of a query that Python can check of a row, as SQL does: for rows that cannot matter.

Three answers as in SQL, and a fourth: "maybe", for what only the database can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Field
from django.db.models.expressions import Col
from django.db.models.lookups import Lookup
from django.db.models.sql.where import WhereNode

from ..aggregates.columns import OTHER, Column
from ..aggregates.conditions import TESTS
from ..exceptions import Reprime, UnreadableValue
from ..products.equality import inexact
from .joined import Table

Find = Callable[[Any], "tuple[Table, Field[Any, Any]] | None"]
MAYBE = "maybe"
Answer = bool | None | str
Check = Callable[[Mapping[str, Any]], Answer]


@dataclass(frozen=True)
class Asked:
    """A condition on the rows of one table.

    Attributes:
        check: of a row.
        start, count: where its values are among those of the query.
        part: itself.
        equal: the column that it has equal to its one value, if that is all.
    """

    table: Table
    check: Check
    start: int
    count: int
    part: Any
    equal: str | None = None

    @classmethod
    def of(cls, part: Any, find: Find, start: int) -> Asked | None:
        """The condition that a part of a query is; None when it is on other tables, too.

        Args:
            start: how many values the query has before it.
        """
        tables: set[Table] = set()
        check = _check(part, find, tables)
        if check is None or len(tables) != 1:
            return None
        (table,) = tables
        equal = None
        if isinstance(part, Lookup):
            found = find(part.lhs)
            simple = part.lookup_name == "exact" and not hasattr(part.rhs, "resolve_expression")
            equal = found[1].attname if found and simple and _is_djangos(part) else None
            if part.lookup_name == "exact" and part.rhs is None:
                equal = None
        count = _count(part)
        return cls(table, check, start, count, part, equal)

    def holds(self, image: Mapping[str, Any]) -> bool:
        """Whether a row may fulfil it."""
        try:
            answer = self.check(image)
        except (KeyError, TypeError, UnreadableValue, Reprime):
            return True  # it lacks a column, or has what Python cannot compare
        return answer is True or answer == MAYBE

    def rejects_nothing(self) -> bool:
        """Whether it may hold where there is no row."""
        return self.holds(_Nothing())


class _Nothing(dict[str, Any]):
    """A row of an outer join that there is not."""

    def __missing__(self, name: str) -> None:
        return None


def _check(part: Any, find: Find, tables: set[Table]) -> Check | None:
    if isinstance(part, WhereNode):
        checks = [_check(child, find, tables) for child in part.children]
        if None in checks or part.connector not in ("AND", "OR"):
            return None
        return _joined([check for check in checks if check], part.connector, part.negated)
    if not isinstance(part, Lookup) or not _is_djangos(part) or not isinstance(part.lhs, Col):
        return None
    found = find(part.lhs)
    if found is None or hasattr(part.rhs, "resolve_expression"):
        return None
    table, field = found
    given = part.rhs
    if isinstance(given, list | tuple | set | frozenset):
        if any(hasattr(one, "resolve_expression") for one in given):
            return None
        given = list(given)
    tables.add(table)
    return _single(table, field, str(part.lookup_name), given)


def _single(table: Table, field: Field[Any, Any], name: str, given: Any) -> Check:
    column = Column(table.model, field.attname)
    test = TESTS.get(name)
    items = given if name == "in" else [given]
    plain = test is not None and column.kind != OTHER
    plain = plain and inexact(field) is None
    if name == "isnull":
        return lambda image: column.is_null(image[field.attname]) is given
    if name in ("gt", "gte", "lt", "lte") and column.kind == "text":
        plain = False
    if (
        not plain
        or test is None
        or not isinstance(items, list)
        or not all(one is not None and column.fits(one) for one in items)
    ):
        return lambda image: MAYBE
    sure = test

    def check(image: Mapping[str, Any]) -> Answer:
        value = image[field.attname]
        if value != value:
            return MAYBE
        return None if value is None else bool(sure(value, given))

    return check


def _joined(checks: list[Check], connector: str, negated: bool) -> Check:
    stops = connector == "OR"  # the answer that decides

    def check(image: Mapping[str, Any]) -> Answer:
        answers = [one(image) for one in checks]
        answer: Answer = not stops
        if any(one is stops for one in answers):
            answer = stops
        elif MAYBE in answers:
            answer = MAYBE
        elif None in answers:
            answer = None
        if not negated or answer is None or answer == MAYBE:
            return answer
        return not answer

    return check


def _count(part: Any) -> int:
    if isinstance(part, WhereNode):
        return sum(map(_count, part.children))
    given = part.rhs
    return len(given) if isinstance(given, list | tuple | set | frozenset) else 1


def _is_djangos(part: Any) -> bool:
    return type(part).__module__.startswith("django.db.models.")
