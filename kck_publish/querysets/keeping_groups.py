"""How the groups of a queryset are kept: ``values(...).annotate(n=Count(...))``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.expressions import Col, OrderBy
from django.db.models.functions import Collate

from .keeping_rows import again, names_of, plain, values_as
from .kept import Source
from .kept_columns import Place, Places, Primed
from .kept_totals import KeptGroups
from .order import Listing, Term
from .totals import total


def kept_groups(
    rows: QuerySet[Any], source: Source, places: Places, selects: Sequence[Sequence[Any]]
) -> KeptGroups:
    """How groups are kept. Raises Primed.

    Args:
        selects: what each run selects.
    """
    main = places.main
    selected, grouped = selects[0], main.query.group_by
    columns = [places.of(part) for part in selected if isinstance(part, Col)]
    if not isinstance(grouped, tuple) or not columns:
        raise Primed("its rows are groups of all their columns")
    for place in columns:
        scale = getattr(place.field, "decimal_places", None)
        if place.kind == "float" or (place.kind == "decimal" and scale is None):
            raise Primed(f"equal values of {place.label} may look otherwise")
    known = {place.attname for place in columns}
    if not all(places.of(plain(part)).attname in known for part in grouped):
        raise Primed("its rows are grouped by more than they show")
    numbers = [number for number, part in enumerate(selected) if not isinstance(part, Col)]
    totals = [total([each[number] for each in selects], places) for number in numbers]
    # Where a group has what is selected: its columns first, and then its aggregates.
    index, shown = {place.attname: number for number, place in enumerate(columns)}, list[int]()
    for number, part in enumerate(selected):
        if isinstance(part, Col):
            shown.append(index[places.of(part).attname])
        else:
            shown.append(len(columns) + numbers.index(number))
    terms, by, asked = list[Term](), list[OrderBy](), dict[str, Any]()
    for term in main.order:
        expression = plain(term.expression)
        if expression not in selected:
            raise Primed("its groups are in the order of what they do not show")
        collated = isinstance(expression, Col) and places.of(expression).kind == "text"
        terms.append(Term.of(term, shown[list(selected).index(expression)], collated))
        if not isinstance(expression, Col):
            name = f"kck_o{len(asked)}"
            asked[name], expression = expression, F(name)
        by.append(again(term, expression))
    low, high = main.query.low_mark, main.query.high_mark
    if high is not None and (not main.order or high <= low):
        raise Primed("which groups a slice has is not told by an order")
    for number, place in enumerate(columns):
        terms.append(Term(number, down=False, nulls_first=False, collated=False))
        by.append(OrderBy(_by_code_points(place)))
    listing = Listing(terms, len(columns), None, None)
    give = values_as(rows, shown, names_of(main))
    return KeptGroups(source, places, totals, columns, (asked, by), listing, (low, high), give)


def _by_code_points(place: Place) -> Any:
    return Collate(place.col, "C") if place.kind == "text" else place.col
