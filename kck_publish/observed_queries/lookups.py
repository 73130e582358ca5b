"""Lookup paths from a table to the parameter that its rows are found by, along a statement's joins.

A join becomes a step of a path where it is one of Django's relations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Model

from .statement import Column, Statement

# Steps of a path, at the most.
DEEPEST = 4
# By parameter, the column or lookup path that it is mapped from.
Mapped = dict[str, str]


def models_by_table() -> dict[str, type[Model]]:
    """The model of each table, automatic many-to-many ones too."""
    found: dict[str, type[Model]] = {}
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.proxy:
            found.setdefault(model._meta.db_table.rpartition('"."')[2], model)
    return found


@dataclass(frozen=True)
class Facts:
    """What is known of one statement.

    Attributes:
        statement: it.
        matches: the columns that equal a parameter.
        known: the mappings of tables, by alias, that are known otherwise.
        models: by table.
    """

    statement: Statement
    matches: Mapping[Column, str]
    known: Mapping[str, Mapped]
    models: Mapping[str, type[Model]]


def mapped(facts: Facts, alias: str) -> Mapped:
    """The parameters that the rows of a table are found by, each by the shortest path.

    Args:
        alias: the table's in the statement.
    """
    found: Mapped = {}
    for path, parameter in _paths(facts, alias, (alias,)):
        known = found.get(parameter)
        if known is None or path.count("__") < known.count("__"):
            found[parameter] = path
    return found


def _paths(facts: Facts, alias: str, seen: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each path from a table to a parameter that one follows, with the parameter."""
    statement, matches, models = facts.statement, facts.matches, facts.models
    model = models.get(statement.tables[alias])
    if model is None or len(seen) > DEEPEST + 1:
        return
    for parameter, path in facts.known.get(alias, {}).items():
        yield path, parameter
    own = {column.name for column in matches if column.alias == alias}
    joined = statement.joined.get(alias, [])
    for name in sorted(own | {name for name, _ in joined}):
        for column in _equal(statement, Column(alias, name), ()):
            if column in matches and (attname := attname_of(model, name)):
                yield attname, matches[column]
    for name, other in joined:
        target = models.get(statement.tables[other.alias])
        if other.alias in seen or target is None:
            continue
        further = (*seen, other.alias)
        if target._meta.auto_created:
            yield from _through(facts, model, other, further)
        elif step := relation(model, name, target, other.name):
            for path, parameter in _paths(facts, other.alias, further):
                yield f"{step}__{path}", parameter


def _through(
    facts: Facts, model: type[Model], place: Column, seen: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """The paths over an automatic many-to-many table, which has no name of its own in a path."""
    table = facts.models[facts.statement.tables[place.alias]]
    step = many_to_many(model, table, place.name)
    if step is None:
        return
    back = attname_of(table, place.name) or ""
    for path, parameter in _paths(facts, place.alias, seen):
        # Its own foreign key to the other side is a part of the relation.
        rest = path.partition("__")[2]
        if path != back and not path.startswith(f"{back.removesuffix('_id')}__"):
            yield f"{step}__{rest}" if rest else step, parameter


def _equal(statement: Statement, column: Column, seen: tuple[Column, ...]) -> Iterator[Column]:
    """The columns that have the value of one, itself too."""
    yield column
    for name, other in statement.joined.get(column.alias, []):
        if name == column.name and other not in seen:
            yield from _equal(statement, other, (*seen, column))


def attname_of(model: type[Model], column: str) -> str | None:
    """The name by which a ``Depends`` calls a column."""
    for field in model._meta.concrete_fields:
        if field.column == column and field.model._meta.concrete_model is model:
            single = len(model._meta.pk_fields) == 1
            return "pk" if field.primary_key and single else field.attname
    return None


def relation(model: type[Model], column: str, target: type[Model], other: str) -> str | None:
    """The name of the relation that joins two models by these columns; None: there is none."""
    for field in relations(model):
        if field.related_model is not target or field.many_to_many:
            continue
        for mine, theirs in field.get_joining_fields():
            if (mine.column, theirs.column) == (column, other):
                return str(field.name)
    return None


def many_to_many(model: type[Model], through: type[Model], column: str) -> str | None:
    """The name of the relation that leads from a model through an automatic table."""
    for field in relations(model):
        side = getattr(field, "remote_field", None) if field.many_to_many else None
        forward = field.many_to_many and hasattr(field, "m2m_column_name")
        if side is None:
            continue
        table = side.through if forward else field.through
        if table is through:
            mine = field.m2m_column_name() if forward else field.field.m2m_reverse_name()
            if mine == column:
                return str(field.name)
    return None


def relations(model: type[Model]) -> list[Any]:
    """The relations of a model that a lookup path can name, forward and backward."""
    return [
        field
        for field in model._meta.get_fields()
        if field.is_relation
        and isinstance(field.related_model, type)
        and not getattr(field, "is_hidden", lambda: False)()
        and not hasattr(field, "content_type_field_name")  # generic: no path can follow it
        and (field.many_to_many or hasattr(field, "get_joining_fields"))
        and field.model._meta.concrete_model is model._meta.concrete_model
    ]
