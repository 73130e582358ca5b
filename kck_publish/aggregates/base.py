"""The base of every aggregate: a state that rows are added to and taken from, and its shown value.

A declaration (``Sum("delay")``) is bound to a model once; ``gathering`` then makes its state from
the rows, and ``product`` keeps it up.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from django.db.models import Field, Model

from ..exceptions import InvalidPrimer
from ..public_names import public_in
from . import conditions
from .columns import Column
from .conditions import Where


@public_in("kck_publish.aggregates")
class Aggregate:
    """One value of an ``AggregatePrimer``.

    Args:
        where: conditions on the rows that count, beside those of the primer:
            ``{"delay__gt": 15}``; ``exact``, ``gt``, ``gte``, ``lt``, ``lte``, ``in``, ``isnull``.
    """

    def __init__(self, *, where: Mapping[str, Any] | None = None) -> None:
        self._conditions = conditions.written(where or {})

    def names(self) -> list[str]:
        """The columns that it reads, as they were written."""
        return conditions.names(self._conditions)

    def signature(self) -> str:
        """Tells a declaration from another one: a stored state belongs to one of them."""
        return f"{type(self).__name__}{sorted(vars(self).items())!r}"

    def bind(self, model: type[Model]) -> Self:
        """This aggregate over the rows of a model. Raises InvalidPrimer."""
        bound = copy.copy(self)
        bound.where = Where(model, self._conditions)
        bound.prepare(model)
        return bound

    where: Where

    def prepare(self, model: type[Model]) -> None:
        """Find the columns, and refuse those that it cannot be exact about."""

    @property
    def compares(self) -> Iterable[Field[Any, Any]]:
        """The columns of which it takes Python's word for what is equal, or less."""
        return self.where.compares

    def empty(self) -> Any:
        """The state without any row."""
        raise NotImplementedError

    def change(self, state: Any, image: Mapping[str, Any], sign: int) -> Any:
        """The state with a row added (1) or taken away (-1). Raises Reprime, KeyError."""
        raise NotImplementedError

    def settle(self, state: Any, rows: int) -> Any:
        """The state after all changes, of so many rows. Raises Reprime when it is not known."""
        return state

    def show(self, state: Any) -> Any:
        """The value that a reader gets."""
        return state

    def pack(self, state: Any) -> Any:
        """The state in a form that can be stored; equal states give equal forms."""
        return state

    def unpack(self, stored: Any) -> Any:
        """The inverse of ``pack``."""
        return stored


class Scalar(Aggregate):
    """An aggregate that SQL computes by expressions."""

    def expressions(self) -> Sequence[Any]:
        """The expression that is asked of SQL."""
        raise NotImplementedError

    def state(self, values: Sequence[Any]) -> Any:
        """The state that SQL's answers make."""
        raise NotImplementedError


class OfColumn(Aggregate):
    """An aggregate of the values of one column; NULLs do not count.

    Args:
        name: the column.
        where: as ``Aggregate``.
    """

    column: Column

    def __init__(self, name: str, *, where: Mapping[str, Any] | None = None) -> None:
        super().__init__(where=where)
        if not isinstance(name, str):
            raise InvalidPrimer(f"{type(self).__name__} takes a column's name, not {name!r}.")
        self._name = name

    def names(self) -> list[str]:
        return [self._name, *super().names()]

    def prepare(self, model: type[Model]) -> None:
        self.column = Column(model, self._name)

    @property
    def compares(self) -> Iterable[Field[Any, Any]]:
        return [*super().compares, self.column.field]


class Tallied(OfColumn):
    """An aggregate that is made of the values of one column and how often each comes."""

    def tally(self, counts: Iterable[tuple[Any, int]]) -> Any:
        """The state of these values, none of them None."""
        raise NotImplementedError


class Listed(Aggregate):
    """An aggregate that is made of rows in an order.

    Attributes:
        columns: what it keeps of a row.
        terms: the order.
        held: how many rows it keeps; None for all.
    """

    columns: list[str]
    terms: list[Any]
    held: int | None

    @property
    def compares(self) -> Iterable[Field[Any, Any]]:
        return [*super().compares, *(term.column.field for term in self.terms)]

    def listing(self, rows: Sequence[Sequence[Any]]) -> Any:
        """The state of the group's first rows: one more than are held, if there are so many."""
        raise NotImplementedError

    def key(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """The place of a row in the order."""
        raise NotImplementedError
