"""Asks for all that a page shows in one statement: named queries, each with its rows as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import connections
from psycopg import sql

from .. import clock
from ..conf import settings
from ..postgres import Statement

Rows = list[dict[str, Any]]
_PART = sql.SQL("(SELECT coalesce(jsonb_agg(to_jsonb(part)), '[]') FROM ({}) part)")


def ask(parts: Mapping[str, Statement], parameters: Mapping[str, Any]) -> dict[str, Rows]:
    """The rows of each query, by its name.

    Args:
        parts: the queries; they share the parameters, and one snapshot.
        parameters: of all of them. ``moved`` and ``under``, which the lag asks for, are added.

    Raises:
        DatabaseError: the database does not answer, or the library is not migrated there.
    """
    selected = sql.SQL(", ").join(_PART.format(_composed(query)) for query in parts.values())
    with connections[settings.DATABASE].cursor() as cursor:
        statement = (sql.SQL("SELECT ") + selected).as_string()
        values: dict[str, Any] = {"moved": clock.moved(), "under": None, **parameters}
        cursor.execute(statement, values)
        found = cursor.fetchone()
    return dict(zip(parts, map(_loaded, found), strict=True))


def _composed(query: Statement) -> sql.Composable:
    return query if isinstance(query, sql.Composable) else sql.SQL(query)


def _loaded(rows: Any) -> Rows:
    loaded: Rows = json.loads(rows) if isinstance(rows, str) else rows
    return loaded
