"""The rows of a value, as they are stored and as the queryset gives them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.db.models import Model, QuerySet
from django.db.models import query as django_query
from django.db.models.query import NamedValuesListIterable

from . import instances


class Values:
    """The form of a product's rows.

    Args:
        answer: what ``queryset`` returned.
        one: whether the value is one row.
    """

    def __init__(self, answer: Any, one: bool) -> None:
        self._answer = answer
        self._one = one

    def dump(self, value: Any) -> Any:
        """The value in a form that can be stored."""
        return self._each(value, self._dump)

    def load(self, stored: Any) -> Any:
        """The value that was stored."""
        return self._each(stored, self._load)

    @property
    def names(self) -> Any:
        """Tells the form of rows from another one."""
        if not isinstance(self._answer, QuerySet):
            return (type(self._answer).__name__,)
        kind: Any = self._answer._iterable_class
        return (kind.__name__, getattr(self._answer, "_fields", None), self._columns)

    @property
    def _columns(self) -> list[str]:
        query: Any = self._answer.query
        return [*query.extra_select, *query.values_select, *query.annotation_select]

    def _each(self, value: Any, convert: Callable[[Any], Any]) -> Any:
        if self._one or not isinstance(value, list):
            return convert(value)
        return [convert(row) for row in value]

    def _dump(self, row: Any) -> Any:
        if isinstance(row, Model):
            return instances.dump(row)
        return tuple(row) if self._row_type is not None and isinstance(row, tuple) else row

    def _load(self, row: Any) -> Any:
        if self._gives_instances and instances.is_row(row):
            return instances.load(row)
        if self._row_type is not None and isinstance(row, tuple):
            return self._row_type(*row)
        return row

    @cached_property
    def _gives_instances(self) -> bool:
        rows = self._answer
        if rows is None or isinstance(rows, list):  # first(), list(queryset)
            return True
        return hasattr(rows, "_fields") and rows._fields is None

    @cached_property
    def _row_type(self) -> Callable[..., Any] | None:
        """The named tuple of each row, if there is one."""
        rows: Any = self._answer
        if not isinstance(rows, QuerySet) or rows._iterable_class is not NamedValuesListIterable:
            return None
        create: Any = vars(django_query)["create_namedtuple_class"]
        made: Callable[..., Any] = create(*(getattr(rows, "_fields", None) or self._columns))
        return made
