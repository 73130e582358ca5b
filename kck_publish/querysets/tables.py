"""The tables of a SELECT, and how they are joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.db.models import ForeignObject, Model
from django.db.models.sql import Query
from django.db.models.sql.constants import LOUTER
from django.db.models.sql.datastructures import BaseTable
from django.db.models.sql.datastructures import Join as SqlJoin

from ..products.columns import concrete
from .joined import Join, Scope, Table
from .notes import Aliases, Notes


def tables_of(
    notes: Notes, query: Query, scope: Scope, visit: Callable[[Any, bool], None]
) -> Aliases:
    """The tables of a SELECT by alias, with their joins noted."""
    found: Aliases = {}
    sources: dict[str, Any] = dict(query.alias_map)
    for alias, source in sources.items():
        if not query.alias_refcount[alias]:
            continue
        notes.signature.append(f"{alias} {source.table_name} {source.join_type}")
        if isinstance(source, BaseTable):
            table = notes.table(model_at(source.table_name, query.model), scope)
        elif isinstance(source, SqlJoin):
            table = notes.table(_model_of(source), scope)
            before = found[source.parent_alias]
            table.outer = source.join_type == LOUTER or before.outer
            join(notes, source, before, table)
        else:
            notes.hide(type(source).__name__)
            continue
        found[alias] = table
    for alias, source in sources.items():
        condition = getattr(getattr(source, "filtered_relation", None), "condition", None)
        if condition is not None and query.alias_refcount[alias]:
            notes.scopes.append((scope, found))
            visit(getattr(source.filtered_relation, "resolved_condition", None), False)
            notes.scopes.pop()
    return found


def join(notes: Notes, source: Any, before: Table, table: Table) -> None:
    """Note that a table is joined to another one."""
    relation: Any = source.join_field
    side = getattr(relation, "field", relation)
    pairs = tuple((mine.attname, theirs.attname) for mine, theirs in source.join_fields)
    if type(side).get_extra_restriction is not ForeignObject.get_extra_restriction:
        notes.hide(f"the generic relation {side}", table, before)
        return
    direct = relation is side
    sure = direct and bool(getattr(side, "db_constraint", False))
    notes.joins.append(Join(before, table, pairs, sure))


def _model_of(source: SqlJoin) -> type[Model]:
    """The model of a joined table."""
    relation: Any = source.join_field
    return model_at(source.table_name, relation.related_model, getattr(relation, "model", None))


def model_at(table: str, *likely: type[Model] | None) -> type[Model]:
    """The model of a table. (What a query begins with may be trimmed to be another one's.)"""
    for model in (*likely, *apps.get_models(include_auto_created=True)):
        if model is not None and model._meta.db_table == table:
            return concrete(model)
    raise LookupError(table)
