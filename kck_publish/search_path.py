"""In which schema the library's tables are, as a connection of Django's sees it.

What is kept outside of the database (in a cache, in a near store's file) is named by the schema.
Most processes never change a search path, and are told the schema once. In one that does (a schema
a tenant) it is looked at with each read of such a store: PostgreSQL 18 tells the search path by
itself, an older one is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import psycopg
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

#: The schema that needs no name of its own.
PUBLIC = "public"
SCHEMA = """
SELECT nspname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
 WHERE pg_class.oid = to_regclass('kck_publish_entry')
"""
_SET = re.compile(r"\b(search_path|schema|role|authorization)\b", re.IGNORECASE)
# What installs a trigger sets it for the moment.
_OURS = "kck_publish.search_path"

_CURSOR = BaseDatabaseWrapper._cursor  # type: ignore[attr-defined]
_switches = False
#: Called when a session of this process may have changed its search path.
subscribers: list[Callable[[], None]] = []
# By alias and database, of sessions as they are opened; and by search path, too.
_schemas: dict[tuple[str, ...], str] = {}


def note(query: Any, tag: str | None) -> None:
    """A statement has run that the server has answered with this tag."""
    if not _may_change_it(query, tag):
        return
    global _switches
    _switches = True
    for told in subscribers:
        told()


def _may_change_it(query: Any, tag: str | None) -> bool:
    if tag == "SET":
        return _SET.search(str(query)) is not None
    if tag is None or not tag.startswith("SELECT") or not isinstance(query, str):
        return False  # what defines a function may name it, and changes nothing
    return "search_path" in query and "set_config" in query and _OURS not in query


def switches() -> bool:
    """Whether any session of this process has changed its search path."""
    return _switches


def prepare(connection: BaseDatabaseWrapper) -> None:
    """Let a backend set the search path of whom it works for now, as it does for each cursor."""
    if type(connection)._cursor is not _CURSOR:  # type: ignore[attr-defined]
        connection.cursor().close()


def schema(alias: str) -> str | None:
    """The schema of the library's tables; None where there are none.

    Raises:
        DatabaseError: the database cannot be asked.
    """
    connection = connections[alias]
    opened = alias, str(connection.settings_dict["NAME"])
    if not _switches:
        if (found := _schemas.get(opened)) is None and (found := _ask(connection)) is not None:
            _schemas[opened] = found
        return found
    connection.ensure_connection()
    prepare(connection)
    path = connection.connection.info.parameter_status("search_path")
    if path is None or "$user" in path:
        return _ask(connection)
    told = *opened, path
    if (found := _schemas.get(told)) is None:
        found = _ask(connection)
        # Not kept where another schema of the path may get tables of its own.
        if found is not None and path.split(",")[0].strip(' "') == found:
            _schemas[told] = found
    return found


def of_session(alias: str) -> str | None:
    """The search path of this thread's session, for others to follow; None: as it is opened."""
    if not _switches or connections[alias].connection is None:
        return None
    with connections[alias].cursor() as cursor:
        cursor.execute("SHOW search_path")
        return str(cursor.fetchone()[0])


def schema_if_known(alias: str) -> str | None:
    """As ``schema``; None, too, where it cannot be asked for now."""
    try:
        return schema(alias)
    except (DatabaseError, SynchronousOnlyOperation):
        return None


def named(name: str, schema: str) -> str:
    """The name of what is kept outside the database, with its schema."""
    return name if schema == PUBLIC else f"{name}.{quote(schema, safe='')}"


def _ask(connection: BaseDatabaseWrapper) -> str | None:
    connection.ensure_connection()
    prepare(connection)
    raw = connection.connection
    idle = raw.info.transaction_status == TransactionStatus.IDLE
    with connection.wrap_database_errors:
        # Past Django's cursors, which count and log what they are sent.
        row = psycopg.Cursor(raw).execute(SCHEMA, prepare=False).fetchone()
        if idle and not raw.autocommit:
            raw.rollback()
    return row[0] if row else None


def forget() -> None:
    """As in a process that has just begun."""
    global _switches
    _switches = False
    _schemas.clear()
