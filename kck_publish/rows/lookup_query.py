"""The queries of the rows under a lookup: of a few keys, and of all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, reduce
from operator import or_
from typing import Any

from django.db.models import Field, Model, Q

from ..chunks import chunks
from ..products.product import Parameters
from ..products.read_back import has_own_form
from . import embedded
from .managers import manager_of, rows_of
from .prepared_query import PreparedLookup
from .read_together import Tree


class LookupQuery:
    """The rows of a model by some of its columns.

    Args:
        model: whose rows they are.
        columns: the fields that are looked up, by the names that parameters give them.
        tree: the relations that are embedded in the rows.
        most: so many rows of a key are wanted; None for all.
    """

    def __init__(
        self,
        model: type[Model],
        columns: dict[str, Field[Any, Any]],
        tree: Tree,
        most: int | None,
    ) -> None:
        self._model = model
        self._columns = columns
        self._embedded = tree
        self._most = most

    def portions(self, parameters: Sequence[Parameters]) -> Iterator[Sequence[Parameters]]:
        """The values asked for at once: NULL by itself, as even a unique column may hold many."""
        nulls = [each for each in parameters if all(value is None for value in each.values())]
        yield from ([each] for each in nulls)
        rest = [each for each in parameters if each not in nulls] if nulls else parameters
        yield from chunks(rest, 500)

    def fetch(self, parameters: Sequence[Parameters]) -> Iterable[Model]:
        """The rows of one portion, in pk order."""
        single = len(parameters) == 1
        if single and not self._embedded and self._prepared.usable:
            ((value,),) = (parameter.values() for parameter in parameters)
            if value is not None and (found := self._prepared.fetch(value)) is not None:
                return found
        query = rows_of(self._model).filter(self._where(parameters))
        if self._embedded:
            query = query.select_related(*embedded.paths_of(self._embedded))
        return query.order_by("pk")[: self._most if single else None]

    def values(self) -> Iterator[Parameters]:
        """The values of all rows, in pk order."""
        query = rows_of(self._model).order_by("pk")
        attnames = [field.attname for field in self._columns.values()]
        for values in query.values_list(*attnames).iterator():
            yield dict(zip(self._columns, values, strict=True))

    @cached_property
    def _prepared(self) -> PreparedLookup:
        (field, *others) = self._columns.values()
        most = None if field.unique else self._most
        return PreparedLookup(manager_of(self._model), field, not others, most)

    def _where(self, parameters: Sequence[Parameters]) -> Q:
        if len(self._columns) == 1:
            ((name, field),) = self._columns.items()
            if not has_own_form(field) and all(each[name] is not None for each in parameters):
                return Q(**{f"{field.attname}__in": [each[name] for each in parameters]})
        return reduce(or_, map(self._equals, parameters), Q())

    def _equals(self, each: Parameters) -> Q:
        pairs = ((field.attname, each[name]) for name, field in self._columns.items())
        return Q(**{f"{name}__isnull" if v is None else name: v is None or v for name, v in pairs})
