"""Whether the value of a queryset can be kept up by changes, and how: else, why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from ..products.columns import concrete
from ..products.parameters import Parameter
from .exact_conditions import sure
from .joined import Table
from .keeping_groups import kept_groups
from .keeping_rows import kept_rows, plain
from .keeping_totals import kept_totals
from .kept import Kept, Source, bare
from .kept_columns import Place, Places, Primed
from .notes import Main
from .plan import Form, Joined


def keep(
    form: Form, parameters: Sequence[Parameter], queryset: Any, one: bool, reserve: int | None
) -> Kept:
    """How a value is kept.

    Args:
        form: the only form of the query.
        queryset: the user's method.
        one: whether the value is the first row.
        reserve: how many rows are kept beyond a slice.

    Raises:
        Primed: it cannot be.
    """
    mains = [notes.main for notes in form.read]
    main, joined = _simple(form)
    root = joined.tree.root
    places = Places(main, joined.nodes, root)
    holds = sure([each.query.where for each in mains if each], places, form.mapped)
    source = Source(
        bare(main.query, form.mapped),
        _parameters(parameters, main, places),
        holds,
        _needed(joined, places),
        [places.local(_table_of(joined, root), each.attname) for each in _pk(root)],
    )
    selects = [[plain(part) for part in each.select] for each in mains if each]
    if not isinstance(form.run.answer, QuerySet):
        return kept_totals(form, source, places, selects, queryset)
    if main.query.group_by is not None:
        return kept_groups(form.run.answer, source, places, selects)
    return kept_rows(form.run.answer, source, places, one, reserve)


def look_up(kept: Kept) -> None:
    """Have walks from the changed rows find what the kept value needs of other tables."""
    root = kept.places.root
    for name, (node, attname) in kept.places.ends.items():
        node.params[name] = attname
        node.of[name] = frozenset({root})


def _simple(form: Form) -> tuple[Main, Joined]:
    """The one SELECT of a query, and its tables. Raises Primed."""
    notes = form.read[0]
    main = notes.main
    if form.hidden:
        raise Primed(f"{', '.join(form.hidden)} cannot be seen through")
    if main is None or len(notes.tables) != len(main.aliases):
        raise Primed("it has several queries: a union, a subquery or a prefetch")
    query, (joined, *others) = main.query, form.trees
    if query.distinct or query.select_related:
        raise Primed("of distinct rows" if query.distinct else "select_related loads other rows")
    if others or joined.opaque or not joined.tree.forward:
        raise Primed("a join leads to several rows, or to one that no constraint is for")
    root = joined.tree.root.model
    if query.model is None or root is not concrete(query.model) or root._meta.parents:
        raise Primed("its rows are of several tables")
    if any(
        (each.query.low_mark, each.query.high_mark) != (query.low_mark, query.high_mark)
        for each in (one.main for one in form.read)
        if each
    ):
        raise Primed("its slice is not the same for all keys")
    return main, joined


def _parameters(
    parameters: Sequence[Parameter], main: Main, places: Places
) -> dict[str, tuple[Parameter, Place]]:
    found: dict[str, tuple[Parameter, Place]] = {}
    for one in parameters:
        told = [
            places.local(table, table.params[one.name])
            for table in main.aliases.values()
            if one.name in table.params
        ]
        if len(told) != 1:
            raise Primed(f"{one.name} is not what one column equals")
        found[one.name] = (one, told[0])
    return found


def _needed(joined: Joined, places: Places) -> list[Place]:
    """The columns without which a row is not among those of the query: inner joins need them."""
    return [
        places.local(_table_of(joined, node.parent), mine)
        for table, node in joined.nodes.items()
        if node.parent is not None and not table.outer
        for mine, _ in node.pairs
    ]


def _table_of(joined: Joined, node: Any) -> Table:
    return next(table for table, mine in joined.nodes.items() if mine is node)


def _pk(node: Any) -> Any:
    return node.model._meta.pk_fields
