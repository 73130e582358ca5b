"""``where=``: conditions that mean the same in SQL, for a compute, and in Python, for an augment.

Few on purpose. ``{"arr_delay__gt": 15, "origin": "JFK"}``: all must hold, and a NULL fulfils none
but ``isnull``, as in SQL.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.conf import settings
from django.db.models import Field, Model, Q
from django.utils import timezone

from ..exceptions import InvalidPrimer
from ..products.columns import fields_of, has_column, value_field
from ..products.read_back import has_own_form
from .columns import OTHER, Column

TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "exact": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda value, among: value in among,
    "isnull": lambda value, null: (value is None) is null,
}
_ORDER = ("gt", "gte", "lt", "lte")


class Where:
    """Conditions on a row.

    Attributes:
        compares: the columns that they are on.

    Raises:
        InvalidPrimer: for a condition that SQL and Python could see differently.
    """

    def __init__(self, model: type[Model], conditions: Mapping[str, Any]) -> None:
        self._tests: list[tuple[Column, str, Any]] = []
        self.compares: list[Field[Any, Any]] = []
        asked: dict[str, Any] = {}
        for lookup, value in conditions.items():
            name, test = split(lookup)
            if _is_unknown(model, lookup):
                name, _, test = lookup.partition("__")
            column = Column(model, name)
            _check(column, test, value, lookup)
            value = list(value) if test == "in" else value
            asked[f"{column.attname}__{test}"] = value
            self._tests.append((column, test, _as_rows_have_it(column, test, value)))
            self.compares.append(column.field)
        self.q = Q(**asked)

    def holds(self, image: Mapping[str, Any]) -> bool:
        """Whether a row fulfils them all.

        Raises:
            KeyError: the image lacks a column.
            Reprime: Python cannot tell.
        """
        return all(
            column.is_null(image[column.attname]) is value
            if test == "isnull"
            else image[column.attname] is not None and TESTS[test](image[column.attname], value)
            for column, test, value in self._tests
        )


def written(conditions: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions with sets in an order: each process has another one, and so fingerprints.

    Raises:
        InvalidPrimer: they are no dict.
    """
    if not isinstance(conditions, Mapping):
        raise InvalidPrimer(f"where takes a dict of conditions, not {conditions!r}.")
    return {
        lookup: sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        for lookup, value in conditions.items()
    }


def _as_rows_have_it(column: Column, test: str, value: Any) -> Any:
    """What a column is compared with, in the form in which its field asks for it."""
    field = value_field(column.field)
    if test == "isnull" or not has_own_form(field):
        return value
    return [*map(field.get_prep_value, value)] if test == "in" else field.get_prep_value(value)


def names(conditions: Mapping[str, Any]) -> list[str]:
    """The columns that conditions name."""
    return [split(lookup)[0] for lookup in conditions]


def split(lookup: str) -> tuple[str, str]:
    """The column, or the path to one, that a condition is on, and what is asked of it."""
    name, _, test = lookup.rpartition("__")
    return (name, test) if name and test in TESTS else (lookup, "exact")


def _is_unknown(model: type[Model], lookup: str) -> bool:
    """Whether a column is asked for what Python cannot check: its name begins no path."""
    name, _, test = lookup.partition("__")
    if not test or not has_column(model, name):
        return False
    return fields_of(model, name)[0].remote_field is None and split(lookup)[0] != name


def _check(column: Column, test: str, value: Any, lookup: str) -> None:
    if test not in TESTS:
        raise InvalidPrimer(
            f"where: {lookup!r} is not among the conditions that Python can check: "
            f"{', '.join(TESTS)}."
        )
    if test == "isnull":
        if not isinstance(value, bool):
            raise InvalidPrimer(f"where: {lookup!r} is True or False.")
        return
    if column.kind == OTHER or getattr(column.field, "db_collation", None):
        raise InvalidPrimer(
            f"where: SQL and Python may compare {column.label} differently; only isnull is sure."
        )
    if test in _ORDER and column.kind == "text":
        raise InvalidPrimer(
            f"where: {lookup!r} would go by the database's collation, which Python does not know."
        )
    if test == "in" and (isinstance(value, str) or not isinstance(value, Collection)):
        raise InvalidPrimer(f"where: {lookup!r} takes a list of values.")
    for item in value if test == "in" else [value]:
        if not column.fits(item):
            raise InvalidPrimer(
                f"where: {lookup!r} is compared with a {type(item).__name__}; give it a value of "
                f"the column's own type ({type(column.field).__name__}), or use __isnull."
            )
        if column.kind == "datetime" and timezone.is_aware(item) != settings.USE_TZ:
            raise InvalidPrimer(f"where: {lookup!r} and USE_TZ disagree about the time zone.")
