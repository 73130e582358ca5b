"""How the rows of a SELECT inside another one are joined to those outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from django.db.models.expressions import Col
from django.db.models.lookups import Lookup
from django.db.models.sql import Query

from .joined import Join, Scope, Table
from .notes import Aliases, Notes, local_fields

Read: TypeAlias = Callable[[Query, Scope, bool], Aliases]


def join_selected(notes: Notes, part: Lookup[Any], query: Query, always: bool, read: Read) -> None:
    """``column IN (SELECT ...)``: rows are joined by what is selected."""
    whole = query.is_sliced or query.combinator or query.group_by is not None
    whole = bool(whole or query.distinct_fields)
    if not (query.has_select_fields or query.combinator):
        query = query.clone()
        query.clear_select_clause()
        query.add_fields([_pointed_to(part.lhs, query).name])
    inner = read(query, notes.scope, always)
    select: Sequence[Any] = query.select
    selected: tuple[Table, Any]
    if len(select) == 1 and isinstance(select[0], Col) and select[0].alias in inner:
        selected = (inner[select[0].alias], select[0].target)
    else:
        return
    outer = notes.find(part.lhs)
    table, target = selected
    if outer is None or whole or not hasattr(target, "attname") or part.lookup_name != "in":
        return
    if not always and (target.null or table.outer):
        return  # one NULL makes NOT IN fail for all rows
    if target.column not in {one.column for one in local_fields(table.model)}:
        return
    column, field = outer
    table.read(target.attname)
    notes.joins.append(Join(column, table, ((field.attname, target.attname),)))


def join_outer(notes: Notes, part: Lookup[Any], always: bool) -> None:
    """``column = OuterRef(...)`` in a condition: rows inside are joined to those outside."""
    if not always or part.lookup_name != "exact":
        return
    mine, theirs = notes.find(part.lhs), notes.find(part.rhs)
    if mine is None or theirs is None or mine[0].scope is theirs[0].scope:
        return
    inner, outer = (mine, theirs) if mine[0].scope is notes.scope else (theirs, mine)
    if inner[0].scope is notes.scope:
        pair = ((outer[1].attname, inner[1].attname),)
        notes.joins.append(Join(outer[0], inner[0], pair))


def _pointed_to(part: Any, query: Query) -> Any:
    """What a subquery selects that is compared with a column, if it does not say so itself."""
    target = getattr(part, "target", None)
    pointed = getattr(target, "target_field", None) if target is not None else None
    return pointed or query.get_meta().pk
