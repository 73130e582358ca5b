"""What is kept beside a queryset's value, so that changes amend it: the base of three kinds.

The rows of such a query are those of its first table, each with at most one row of every other
table; conditions, order and columns are ones that Python sees as the database does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.db.models.sql import Query
from django.db.models.sql.where import WhereNode

from ..aggregates.gathering import among
from ..conf import settings
from ..exceptions import Reprime, UnreadableValue
from ..log.change import Change
from ..products.column_fits import fitted
from ..products.parameters import Parameter
from ..products.product import Parameters
from .exact_conditions import Check
from .kept_columns import Place, Places

# Of longer values nothing is kept: they are primed.
MANY = 5000
Image = Mapping[str, Any]


@dataclass
class State:
    """The state of one key.

    Attributes:
        kept: what changes amend; None where there is too much of it.
        shown: the value, as the queryset gives it.
    """

    kept: Any
    shown: Any


@dataclass(frozen=True)
class Source:
    """The rows of a query, for any parameters.

    Attributes:
        query: the query without its conditions on parameters, its columns and its order.
        parameters: by name, the column that each equals, in the order of the key.
        holds: the conditions that are the same for all keys.
        needed: columns without which a row is not among those that the query joins.
        pk: the columns that tell a row.
    """

    query: Query
    parameters: Mapping[str, tuple[Parameter, Place]]
    holds: Check
    needed: Sequence[Place]
    pk: Sequence[Place]

    def rows(self, wanted: Sequence[Parameters]) -> QuerySet[Any]:
        """The rows of these keys, with the parameters under ``names``."""
        names = {name: f"kck_a{number}" for number, name in enumerate(self.parameters)}
        columns = {names[name]: place.col for name, (_, place) in self.parameters.items()}
        model: Any = self.query.model
        rows: QuerySet[Any] = QuerySet(model, self.query.clone(), using=settings.DATABASE)
        rows = rows.annotate(**columns)
        return rows.filter(among(names, wanted)) if names else rows

    @property
    def names(self) -> list[str]:
        """What the parameters are called in ``rows``."""
        return [f"kck_a{number}" for number in range(len(self.parameters))]

    def key(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The key that a row of ``rows`` is of."""
        parameters = (parameter for parameter, _ in self.parameters.values())
        return tuple(fitted(one, value) for one, value in zip(parameters, values, strict=False))

    def key_of(self, parameters: Parameters) -> tuple[Any, ...]:
        """The same of parameters."""
        return tuple(parameters[name] for name in self.parameters)

    def has(self, image: Image, parameters: Parameters) -> bool:
        """Whether a row is one of a key's. Raises KeyError, TypeError, UnreadableValue."""
        return (
            all(
                fitted(one, image[place.attname]) == parameters[name]
                for name, (one, place) in self.parameters.items()
            )
            and all(image[place.attname] is not None for place in self.needed)
            and self.holds(image) is True
        )


class Kept:
    """How the value of a query's rows is kept.

    Args:
        source: the rows.
        places: its columns.
    """

    kind: str

    def __init__(self, source: Source, places: Places) -> None:
        self.source = source
        self.places = places

    def gather(self, wanted: Sequence[Parameters]) -> list[State]:
        """The states of several keys, by one query."""
        raise NotImplementedError

    def amend(self, kept: Any, images: Sequence[tuple[Image | None, Image | None]]) -> Any:
        """The state after changes; of each the row before and after, where it is the key's."""
        raise NotImplementedError

    def show(self, kept: Any) -> Any:
        """The value."""
        raise NotImplementedError

    def pack(self, kept: Any) -> Any:
        """The state in a form that can be stored."""
        return kept

    def unpack(self, stored: Any) -> Any:
        """The inverse of ``pack``."""
        return stored

    def augment(self, state: State, changes: Iterable[Change], parameters: Parameters) -> State:
        """The state after changes. Raises Reprime."""
        if state.kept is None:
            raise Reprime("too many rows are shown for them to be kept")
        try:
            images = [
                tuple(
                    image if image is not None and self.source.has(image, parameters) else None
                    for image in (change.old, change.new)
                )
                for change in changes
            ]
            kept = self.amend(state.kept, [(old, new) for old, new in images])
        except (KeyError, TypeError, UnreadableValue):
            raise Reprime("a change has what Python cannot compare") from None
        return State(kept, self.show(kept))

    def by_key(self, rows: Iterable[Sequence[Any]]) -> dict[tuple[Any, ...], list[list[Any]]]:
        """Rows by the key that they are of, without its columns."""
        found: dict[tuple[Any, ...], list[list[Any]]] = defaultdict(list)
        count = len(self.source.parameters)
        for row in rows:
            found[self.source.key(row)].append(list(row[count:]))
        return found


def bare(query: Query, mapped: Iterable[int]) -> Query:
    """A query's tables, joins and conditions, without some of these and without all else."""
    query = query.clone()
    query.clear_limits()
    query.clear_ordering(force=True)
    query.clear_select_clause()
    query.annotations = {}
    query.annotation_select_mask = None
    query.group_by = None
    query.standard_ordering = True
    query.default_cols = True
    query.deferred_loading = (frozenset(), True)
    query.where = _without(query.where, {*mapped})
    return query


def _without(part: WhereNode, mapped: set[int]) -> WhereNode:
    children = [
        _without(child, mapped) if isinstance(child, WhereNode) else child
        for child in part.children
        if id(child) not in mapped
    ]
    return WhereNode(children, part.connector, part.negated)
