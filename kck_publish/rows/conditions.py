"""The condition of a manager on the rows that it gives, if their own columns decide it.

``managers`` follows those columns, and refuses a manager whose condition cannot be told.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Manager, Model, OneToOneField, Prefetch, QuerySet, Value
from django.db.models.expressions import (
    Case,
    Col,
    ColPairs,
    CombinedExpression,
    ExpressionList,
    ExpressionWrapper,
    NegatedExpression,
    When,
)
from django.db.models.functions import Now, Random
from django.db.models.lookups import Lookup, Transform
from django.db.models.query import ModelIterable
from django.db.models.sql import Query
from django.db.models.sql.datastructures import BaseTable
from django.db.models.sql.where import NothingNode, WhereNode

from .run_at_start import QueriedAtStartError, no_queries

# Parts of a condition whose result the row alone decides, when what they are made of does.
_PURE = (
    WhereNode,
    Lookup,
    Transform,
    Case,
    When,
    CombinedExpression,
    ExpressionList,
    ExpressionWrapper,
    NegatedExpression,
    ColPairs,
    Value,
)
_FUNCTIONS = "django.db.models.functions."
_VOLATILE = (Now, Random)


class UntraceableError(Exception):
    """A manager that cannot be followed, with the reason."""


def condition_of(model: type[Model], manager: Manager[Any] | None = None) -> WhereNode:
    """The condition by which a model's manager, the default one, chooses rows.

    Raises:
        UntraceableError: the rows, or the instances, cannot be told from the table's own columns.
    """
    manager = manager or model._default_manager
    if type(manager).get_queryset is Manager.get_queryset and _is_plain(manager):
        return WhereNode()
    first, second = _queryset(manager), _queryset(manager)
    _check_instances(manager, first)
    _check_query(model, first.query)
    list(columns(first.query.where))
    if not alike(first.query.where, second.query.where):
        raise UntraceableError("its condition is another one at each call")
    return first.query.where


def conditions_differ(model: type[Model], manager: Manager[Any]) -> bool:
    """Whether a manager gives other rows than the default one, as far as that can be told."""
    try:
        return not alike(condition_of(model, manager), condition_of(model))
    except UntraceableError:
        return True


def _is_plain(manager: Manager[Any]) -> bool:
    return getattr(manager, "_queryset_class", None) is QuerySet


def _queryset(manager: Manager[Any]) -> QuerySet[Any]:
    """The queryset that it starts from. Its code may not query: it runs whenever Django starts."""

    with no_queries():
        try:
            return manager.get_queryset()
        except QueriedAtStartError as error:
            raise UntraceableError("get_queryset() queries the database") from error
        except Exception as error:  # the user's code, in a place where it may lack something
            why = f"get_queryset() raises {type(error).__name__} at start"
            raise UntraceableError(why) from error


def _check_instances(manager: Manager[Any], rows: QuerySet[Any]) -> None:
    """Refuse a manager whose ``get()`` gives other instances than the columns make."""
    iterable = getattr(rows, "_iterable_class", ModelIterable)
    if iterable is not ModelIterable:
        raise UntraceableError(f"it gives its rows through {iterable.__name__}")
    for name in ("get", "_fetch_all", "__iter__"):
        own = type(rows) if name.startswith("_") else type(manager)
        for owner in {own, type(rows)}:
            if inspect.unwrap(getattr(owner, name)) is not getattr(QuerySet, name):
                raise UntraceableError(f"{owner.__name__}.{name} is one of its own")
    for lookup in rows._prefetch_related_lookups:  # type: ignore[attr-defined]
        if isinstance(lookup, Prefetch) and (lookup.queryset is not None or lookup.to_attr):
            raise UntraceableError("it prefetches by a query of its own (Prefetch)")


def _check_query(model: type[Model], query: Query) -> None:
    """Refuse a query that is more than a condition on the model's own tables."""
    selected = ", ".join(query.annotation_select)
    refused = {
        f"it annotates its rows ({selected})": selected,
        "it has an aggregate": query.group_by is not None,
        "it uses extra()": query.extra or query.extra_tables,
        "it is a slice": query.is_sliced,
        "it combines queries": query.combinator,
        "it uses distinct(fields)": query.distinct_fields,
        "it locks rows (select_for_update)": query.select_for_update,
    }
    for why, applies in refused.items():
        if applies:
            raise UntraceableError(why)
    parents = {parent._meta.db_table for parent in model._meta.all_parents}
    for alias, table in query.alias_map.items():
        if query.alias_refcount[alias] and not isinstance(table, BaseTable):
            field = getattr(table, "join_field", None)
            to_parent = isinstance(field, OneToOneField) and field.remote_field.parent_link
            if not to_parent or table.table_name not in parents:
                raise UntraceableError(f"it reads another table ({table.table_name})")


def columns(part: Any) -> Iterator[str]:
    """The attnames of the columns that a part of a condition is made of."""
    if isinstance(part, Col):
        yield part.target.attname
        return
    if isinstance(part, NothingNode):
        raise UntraceableError("it gives no rows at start")
    function = type(part).__module__.startswith(_FUNCTIONS)
    if isinstance(part, _VOLATILE) or not (isinstance(part, _PURE) or function):
        raise UntraceableError(f"its condition uses {type(part).__name__}")
    for inner in _parts(part):
        yield from columns(inner)


def _parts(part: Any) -> Iterable[Any]:
    if isinstance(part, WhereNode):
        return list(part.children)
    inner = [source for source in part.get_source_expressions() if source is not None]
    if isinstance(part, Lookup):
        given = part.rhs if isinstance(part.rhs, list | tuple | set) else [part.rhs]
        inner = [
            part.lhs,
            *(argument for argument in given if hasattr(argument, "resolve_expression")),
        ]
    return inner


def alike(where: WhereNode, other: WhereNode) -> bool:
    try:
        return where == other
    except TypeError:  # a value that cannot be compared by what it is
        return False
