"""Many rows by one statement each: upserted where they are not newer, and deleted.

The comparison of versions is in the statement, so a row that another transaction writes meanwhile
is not overwritten by something older.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.models import Field, Model, UniqueConstraint
from psycopg import sql

from ...conf import settings
from .incoming import Incoming

# PostgreSQL takes so many parameters in a statement.
MOST_PARAMETERS = 30_000


@lru_cache(maxsize=256)
def unique(model: type[Model], lookup: tuple[str, ...]) -> tuple[str, ...] | None:
    """The columns of a lookup, when they are a primary key or unique; else None."""
    meta = model._meta
    known = {field.attname: field for field in meta.concrete_fields}
    if any(name not in known for name in lookup):
        return None
    names = set(lookup)
    sets = [{field.attname for field in meta.pk_fields}]
    sets += [{field.attname} for field in meta.concrete_fields if field.unique]
    sets += [{_attname(model, name) for name in group} for group in meta.unique_together]
    sets += [
        {_attname(model, name) for name in constraint.fields}
        for constraint in meta.constraints
        if isinstance(constraint, UniqueConstraint)
        and constraint.fields
        and constraint.condition is None
        and not constraint.expressions
        and constraint.deferrable is None
    ]
    return tuple(str(known[name].column) for name in lookup) if names in sets else None


def _attname(model: type[Model], name: str) -> str:
    return str(getattr(model._meta.get_field(name), "attname", name))


def write(
    model: type[Model], key: Sequence[str], rows: Sequence[Incoming], version: Sequence[str]
) -> None:
    """Write rows that are each there once, in groups of the same fields.

    Args:
        key: the columns that they are found by.
        version: the columns that tell older from newer.
    """
    groups: dict[tuple[str, ...], list[Incoming]] = {}
    gone = []
    for row in rows:
        if row.fields is None:
            gone.append(row)
        else:
            groups.setdefault(tuple(sorted(row.fields)), []).append(row)
    gone += [row for row in rows if row.replaces]
    if gone:
        _delete(model, key, gone)
    for names, group in groups.items():
        _upsert(model, key, names, group, version)


def _upsert(
    model: type[Model],
    key: Sequence[str],
    names: Sequence[str],
    rows: Sequence[Incoming],
    version: Sequence[str],
) -> None:
    instances = [model(**{**row.lookup, **(row.fields or {})}) for row in rows]
    given = set(rows[0].lookup) | set(names)
    fields = [
        field
        for field in model._meta.local_concrete_fields
        if not field.generated and not (field.attname not in given and field.db_returning)
    ]
    connection = connections[settings.DATABASE]
    changed = [
        str(field.column)
        for field in fields
        if field.column not in key and (field.attname in names or getattr(field, "auto_now", False))
    ]
    values = [
        [field.get_db_prep_save(_value(field, instance, given), connection) for field in fields]
        for instance in instances
    ]
    statement = _statement(
        connection.ops.quote_name(model._meta.db_table),  # the name may have a schema in it
        [str(field.column) for field in fields],
        key,
        changed,
        version,
    )
    step = max(1, MOST_PARAMETERS // len(fields))
    row = sql.SQL("({})").format(sql.SQL(", ").join([sql.Placeholder()] * len(fields)))
    with connection.cursor() as cursor:
        for begin in range(0, len(values), step):
            page = values[begin : begin + step]
            query = statement.format(rows=sql.SQL(", ").join([row] * len(page)))
            cursor.execute(query, [value for one in page for value in one])


def _value(field: Field[Any, Any], instance: Model, given: Collection[str]) -> Any:
    """As the message gives it: an ``auto_now`` field may be what tells older from newer."""
    if field.attname in given:
        return getattr(instance, field.attname)
    return field.pre_save(instance, add=True)


def _statement(
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    changed: Sequence[str],
    version: Sequence[str],
) -> Any:
    quoted = {name: sql.Identifier(name) for name in [*columns, *version]}
    comma = sql.SQL(", ")
    act: sql.Composable = sql.SQL("NOTHING")
    if changed:
        sets = [sql.SQL("{0} = excluded.{0}").format(quoted[name]) for name in changed]
        act = sql.SQL("UPDATE SET {}").format(comma.join(sets))
        if version:
            current = [sql.SQL("t.{}").format(quoted[name]) for name in version]
            newer = [sql.SQL("excluded.{}").format(quoted[name]) for name in version]
            act += sql.SQL(" WHERE (({}) < ({})) IS NOT false").format(
                comma.join(current), comma.join(newer)
            )
    return _Template(
        sql.SQL("INSERT INTO {} AS t ({}) VALUES ").format(
            sql.SQL(table), comma.join(quoted[name] for name in columns)
        ),
        sql.SQL(" ON CONFLICT ({}) DO ").format(comma.join(sql.Identifier(name) for name in key))
        + act,
    )


class _Template:
    """A statement that lacks its rows."""

    def __init__(self, before: sql.Composed, after: sql.Composed) -> None:
        self._before, self._after = before, after

    def format(self, rows: sql.Composed) -> sql.Composed:
        """The statement with these."""
        return self._before + rows + self._after


def _delete(model: type[Model], key: Sequence[str], rows: Sequence[Incoming]) -> None:
    by_column = {field.column: field for field in model._meta.concrete_fields}
    manager = model._base_manager.using(settings.DATABASE)
    if len(key) == 1:
        name = by_column[key[0]].attname
        manager.filter(**{f"{name}__in": [row.lookup[name] for row in rows]}).delete()
        return
    for row in rows:
        manager.filter(**row.lookup).delete()
