"""Rows and columns as SQL: names, a row's captured values, whether two rows differ. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from .source import Source


def quoted(name: str) -> str:
    """A table's or column's name as SQL, by Django's rule: what is quoted already stays."""
    return name if name.startswith('"') and name.endswith('"') else f'"{name}"'


def watched_columns(source: Source) -> tuple[str, ...] | None:
    """The columns that an update is looked at for; None for the whole row."""
    if source.watched is None or not virtual_columns(source).isdisjoint(source.watched):
        return None  # what a virtual column is computed from is somewhere in the row
    return tuple(dict.fromkeys((*source.primary_key, *source.watched)))


def virtual_columns(source: Source) -> set[str]:
    """The generated columns that are not stored: a statement that named them would fail."""
    return {
        str(field.column)
        for field in source.fields
        if field.generated and not getattr(field, "db_persist", True)
    }


def image(row: str, source: Source, unseen: set[str]) -> sql.Composable:
    """The captured columns of a row, as texts."""
    # The text of an address would have a netmask, which the values that Django reads have not.
    addresses = {
        str(field.column)
        for field in source.fields
        if field.get_internal_type() == "GenericIPAddressField"
    }
    values = (
        sql.SQL("NULL")
        if column in unseen
        else sql.SQL("host({}.{})" if column in addresses else "{}.{}::text").format(
            _name(row), _name(column)
        )
        for column in source.captured
    )
    return sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(values))


def same_key(old: str, new: str, key: Iterable[str]) -> sql.Composable:
    """Whether two rows have one primary key."""
    pair = sql.SQL("{0}.{2} = {1}.{2}")
    return sql.SQL(" AND ").join(pair.format(_name(old), _name(new), _name(c)) for c in key)


def changed(old: str, new: str, watched: Iterable[str] | None) -> sql.Composable:
    """Whether two rows differ in the watched columns; None: in any."""
    if watched is None:
        return sql.SQL("{} *<> {}").format(_name(old), _name(new))
    return sql.SQL("{} *<> {}").format(_row(old, watched), _row(new, watched))


def _name(column: str) -> sql.SQL:
    return sql.SQL(quoted(column))


def _row(row: str, columns: Iterable[str]) -> sql.Composable:
    values = (sql.SQL("{}.{}").format(_name(row), _name(column)) for column in columns)
    return sql.SQL("ROW({})::record").format(sql.SQL(", ").join(values))
