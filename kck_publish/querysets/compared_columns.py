"""The columns of a query whose values Python compares in the place of the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Field
from django.db.models.expressions import Col
from django.db.models.lookups import Lookup
from django.db.models.sql.where import WhereNode

from .notes import Notes


def compared_columns(notes: Notes) -> Iterator[Field[Any, Any]]:
    """The columns on which Python looks whether conditions hold, and those of groups."""
    parts = [asked.part for _, asked in notes.asked]
    if notes.main is not None:
        groups = notes.main.query.group_by
        parts += [notes.main.query.where, *(groups if isinstance(groups, tuple) else ())]
    return _columns_in(parts)


def _columns_in(parts: Iterable[Any]) -> Iterator[Field[Any, Any]]:
    for part in parts:
        if isinstance(part, WhereNode):
            yield from _columns_in(part.children)
        elif isinstance(part, Lookup) and part.lookup_name in ("exact", "in"):
            yield from _columns_in([part.lhs])
        elif isinstance(part, Col):
            yield part.target
