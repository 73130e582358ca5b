"""The last place of an ordered slice that is primed: a row behind it changes nothing.

Kept beside the value are the columns of its last row that order the slice, as far as Python orders
them as the database does. Where it is in doubt, as with equal ones, the key is primed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet
from django.db.models.query import (
    FlatValuesListIterable,
    ModelIterable,
    NamedValuesListIterable,
    ValuesIterable,
    ValuesListIterable,
)

from ..exceptions import Reprime, UnreadableValue
from ..log.change import Change
from ..products.paths import Node
from .keeping_rows import names_of, plain
from .kept_columns import Places, Primed
from .notes import Main
from .order import Term
from .plan import Form


@dataclass(frozen=True)
class Unmoved:
    """A stored value that changes may leave as it is.

    Attributes:
        body, shape: as they are stored.
        bound: the last row's place; None where the slice is not full.
    """

    body: bytes
    shape: bytes | None
    bound: Sequence[Any] | None


@dataclass(frozen=True)
class Bounded:
    """How the last place of a slice is known.

    Attributes:
        root: the node of the rows that are ordered.
        attnames: the columns by which, in images of changes.
        terms: the order.
        values: those columns of a row of the value. Raises when it has them not.
        count: how many rows a full slice has.
        one: whether the value is the first row alone.
    """

    root: Node
    attnames: Sequence[str]
    terms: Sequence[Term]
    values: Callable[[Any], list[Any]]
    count: int
    one: bool

    def bound_of(self, value: Any) -> list[Any] | None:
        """The place of the last row; None where the slice is not full."""
        rows = [value] if self.one else value
        if not isinstance(rows, list) or len(rows) != self.count:
            return None
        try:
            return self.values(rows[-1])
        except (AttributeError, KeyError, IndexError, TypeError):
            return None  # set by hand

    def leave(self, stored: Unmoved, changes: Iterable[Change]) -> Unmoved:
        """The stored value, if all changes are of rows behind it.

        Raises:
            Reprime: they may not be.
        """
        if stored.bound is None:
            raise Reprime("the slice is not full")
        try:
            last = self._key(stored.bound)
            images = (image for change in changes for image in change.images)
            later = all(
                last < self._key([image[name] for name in self.attnames]) for image in images
            )
        except (KeyError, TypeError, UnreadableValue):
            later = False
        if not later:
            raise Reprime("a row before the end of the slice changes")
        return stored

    def _key(self, values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(term.key(values) for term in self.terms)


def bounded(form: Form, one: bool) -> Bounded | None:
    """How the last place of a slice is known; None where it is not, or there is no slice."""
    notes, answer = form.read[0], form.run.answer
    main = notes.main
    if main is None or form.hidden or not isinstance(answer, QuerySet):
        return None
    query: Any = main.query
    low, high = query.low_mark, query.high_mark
    if one:
        high = low + 1
    limits = {
        (each.query.low_mark, each.query.high_mark) for each in (r.main for r in form.read) if each
    }
    over = any(getattr(part, "contains_over_clause", False) for part in main.select)
    if high is None or high <= low or len(limits) != 1 or over or query.distinct_fields:
        return None
    joined = form.trees[0]
    places = Places(main, joined.nodes, joined.tree.root)
    attnames: list[str] = []
    terms: list[Term] = []
    parts: list[Any] = []
    for term in main.order:
        part = plain(term.expression)
        try:
            place = places.of(part)
        except Primed:
            break
        if place.kind == "text" or joined.nodes[main.find(part)[0]] is not joined.tree.root:  # type: ignore[index]
            break
        terms.append(Term.of(term, len(attnames), collated=False))
        attnames.append(place.attname)
        parts.append(part)
    values = _values(answer, main, parts, attnames) if terms else None
    if values is None:
        return None
    return Bounded(joined.tree.root, attnames, terms, values, high - low, one)


def _values(
    rows: QuerySet[Any], main: Main, parts: Sequence[Any], attnames: Sequence[str]
) -> Callable[[Any], list[Any]] | None:
    """The columns of a row by which it is ordered, if it shows them."""
    kind: Any = rows._iterable_class
    if kind is ModelIterable:
        return lambda row: [_loaded(row, name) for name in attnames]
    select = [plain(part) for part in main.select]
    if not all(part in select for part in parts):
        return None
    places = [select.index(part) for part in parts]
    if kind is ValuesIterable:
        try:
            names = names_of(main)
        except Primed:
            return None
        return lambda row: [row[names[place]] for place in places]
    if kind is FlatValuesListIterable:
        return (lambda row: [row for _ in places]) if set(places) == {0} else None
    same = list(getattr(rows, "_fields", None) or ()) == list(main.query.values_select)
    if kind in (ValuesListIterable, NamedValuesListIterable) and same:
        return lambda row: [row[place] for place in places]
    return None


def _loaded(row: Model, attname: str) -> Any:
    """A column that is there. Raises KeyError where it is deferred."""
    return vars(row)[attname]
