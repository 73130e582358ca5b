"""How the rows of a queryset are kept: their columns, their order, and what they are given as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.db.models import query as django_query
from django.db.models.expressions import OrderBy
from django.db.models.query import (
    FlatValuesListIterable,
    ModelIterable,
    NamedValuesListIterable,
    ValuesIterable,
    ValuesListIterable,
)

from ..conf import settings
from .kept import Source
from .kept_columns import Places, Primed
from .kept_rows import KeptRows
from .notes import Main
from .order import Listing, Row, Term

# At least so many rows are kept beyond a slice, if nobody says.
RESERVE = 10
Give = Callable[[Sequence[Row]], Any]


def kept_rows(
    rows: QuerySet[Any],
    source: Source,
    places: Places,
    one: bool,
    reserve: int | None,
) -> KeptRows:
    """How rows are kept. Raises Primed."""
    main = places.main
    low, high = main.query.low_mark, main.query.high_mark
    if one:
        high = low + 1 if high is None else min(low + 1, high)
    if high is not None and (not main.order or high <= low):
        raise Primed("which rows a slice has is not told by an order")
    order = [(part, places.of(plain(part.expression))) for part in main.order]
    shown = [places.of(plain(part)) for part in main.select]
    columns = {place.attname: place for place in (*source.pk, *(each for _, each in order), *shown)}
    index = {attname: number for number, attname in enumerate(columns)}
    terms = [Term.of(part, index[each.attname], each.kind == "text") for part, each in order]
    by = [again(part, each.col) for part, each in order]
    for place in source.pk:
        terms.append(Term(index[place.attname], down=False, nulls_first=False, collated=False))
        by.append(OrderBy(place.col))
    held = None
    if high is not None:
        held = high + (max(high - low, RESERVE) if reserve is None else reserve)
    listing = Listing(terms, len(source.pk), high, held)
    give = _give(rows, [index[place.attname] for place in shown], names_of(main))
    return KeptRows(source, places, list(columns.values()), by, listing, low, give)


def names_of(main: Main) -> list[str]:
    """What the columns that a query selects are called. Raises Primed."""
    query: Any = main.query
    names = list(query.selected or ()) or [
        *query.extra_select,
        *query.values_select,
        *query.annotation_select,
    ]
    names = names or [part.target.attname for part in main.select]
    if len(names) != len(main.select):
        raise Primed("its columns have not one name each")
    return names


def plain(part: Any) -> Any:
    """An expression itself, where it is referred to by its place or its name."""
    while type(part).__name__ in ("Ref", "ColRef", "PositionRef"):
        (part,) = part.get_source_expressions()
    return part


def again(part: OrderBy, expression: Any) -> OrderBy:
    """A term of an order, over an expression for a query of our own."""
    return OrderBy(
        expression,
        descending=part.descending,
        nulls_first=part.nulls_first or None,
        nulls_last=part.nulls_last or None,
    )


def _give(rows: QuerySet[Any], shown: Sequence[int], names: Sequence[str]) -> Give:
    """Makes rows what the queryset gives. Raises Primed."""
    kind: Any = rows._iterable_class
    if kind is ModelIterable:
        return _instances(rows, shown, names)
    return values_as(rows, shown, names)


def values_as(rows: QuerySet[Any], shown: Sequence[int], names: Sequence[str]) -> Give:
    """Makes rows the dicts, tuples or scalars that a queryset gives. Raises Primed."""
    kind: Any = rows._iterable_class
    fields = getattr(rows, "_fields", None) or names
    if kind is ValuesIterable:
        pairs = list(zip(names, shown, strict=True))
        return lambda kept: [{name: row[place] for name, place in pairs} for row in kept]
    if list(fields) != list(names):
        raise Primed("its columns come in another order than they are asked for")
    if kind is FlatValuesListIterable:
        place = shown[0]
        return lambda kept: [row[place] for row in kept]
    if kind is ValuesListIterable:
        return lambda kept: [tuple(row[place] for place in shown) for row in kept]
    if kind is NamedValuesListIterable:
        create: Any = vars(django_query)["create_namedtuple_class"]
        made = create(*names)
        return lambda kept: [made(*(row[place] for place in shown)) for row in kept]
    raise Primed(f"its rows are given by {kind.__name__}")


def _instances(rows: QuerySet[Any], shown: Sequence[int], names: Sequence[str]) -> Give:
    query: Any = rows.query
    model = rows.model
    more = query.annotation_select or query.extra_select or query.deferred_loading != (set(), True)
    if more or list(names) != [field.attname for field in model._meta.concrete_fields]:
        raise Primed("its instances have more than their columns, or not all")
    if rows._known_related_objects:  # type: ignore[attr-defined]
        raise Primed("its instances know a related one")
    load = model.from_db
    return lambda kept: [
        load(settings.DATABASE, names, [row[place] for place in shown]) for row in kept
    ]
