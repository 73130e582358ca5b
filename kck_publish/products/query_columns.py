"""Which columns a query reads to find its rows, as PostgreSQL itself says.

The query is made a temporary view, whose dependencies the catalog keeps by column, and the view is
rolled back. Joins, conditions, groups and orders are so seen through, and other views too; the
bodies of functions are not. What is only shown counts as well, unless it is a column of a row that
is loaded whole: of which columns an instance is asked cannot be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# By table.
Columns = dict[str, frozenset[str]]

_SELECT = re.compile(r"\s*SELECT\s+(DISTINCT\s+(ON\s*\([^)]*\)\s*)?)?", re.IGNORECASE)
_FROM = re.compile(r"\s+FROM\s", re.IGNORECASE)
_USED = """
WITH RECURSIVE used (relation, place) AS (
    SELECT 'pg_temp.kck_publish_lint'::regclass::oid, 0
    UNION
    SELECT d.refobjid, d.refobjsubid
      FROM used JOIN pg_rewrite r ON r.ev_class = used.relation
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                      AND d.refclassid = 'pg_class'::regclass
)
SELECT coalesce(top.relname, c.relname), array_agg(DISTINCT a.attname)
  FROM used JOIN pg_class c ON c.oid = used.relation AND c.relkind IN ('r', 'p')
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = used.place AND a.attnum > 0
  LEFT JOIN pg_class top ON c.relispartition AND top.oid = pg_partition_root(c.oid)
 GROUP BY 1
"""
_WHOLE = """
SELECT attrelid FROM pg_attribute
 WHERE attrelid = ANY (%s) AND attnum > 0 AND NOT attisdropped
 GROUP BY 1 HAVING array_agg(attnum::int) <@ (
    SELECT array_agg(place) FROM unnest(%s::oid[], %s::int[]) AS shown (relation, place)
     WHERE relation = attrelid)
"""


def columns_of(connection: BaseDatabaseWrapper, query: str) -> Columns | None:
    """The columns by table.

    Args:
        connection: in a transaction.
        query: with its parameters written out.

    Returns:
        None: it cannot be told, of what is no SELECT or where nothing may be made.
    """
    query = query.rstrip().rstrip(";")
    try:
        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            raw = cursor.cursor
            asked = _without_whole_rows(raw, query)
            raw.execute(f"CREATE TEMP VIEW kck_publish_lint AS SELECT EXISTS ({asked})".encode())
            raw.execute(_USED)
            used = {table: frozenset(names) for table, names in raw.fetchall()}
            transaction.set_rollback(True, connection.alias)
    except (DatabaseError, psycopg.Error):
        return None
    return used


def _without_whole_rows(cursor: psycopg.Cursor[tuple[object, ...]], query: str) -> str:
    """The query with NULL for each column of a table whose columns are all shown, at first."""
    start = _SELECT.match(query)
    shown = _described(cursor.connection, query.encode())
    items = [] if start is None else list(_items(query, start.end()))
    if not items or len(items) != len(shown):
        return query
    cursor.execute(_WHOLE, [[table for table, _ in shown], *map(list, zip(*shown, strict=True))])
    whole = {row[0] for row in cursor.fetchall()}
    kept = [
        "NULL" if place[0] in whole and place not in shown[:n] else query[begin:end]
        for n, ((begin, end), place) in enumerate(zip(items, shown, strict=True))
    ]
    return f"{query[: items[0][0]]}{', '.join(kept)}{query[items[-1][1] :]}"


def _described(
    connection: psycopg.Connection[tuple[object, ...]], query: bytes
) -> list[tuple[int, int]]:
    """Of each column of the answer, the table that it is a plain column of, and its place there."""
    connection.pgconn.prepare(b"", query)
    result = connection.pgconn.describe_prepared(b"")
    return [(result.ftable(n), result.ftablecol(n)) for n in range(result.nfields)]


def _items(query: str, begin: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each entry of the list after SELECT."""
    depth, quote = 0, ""
    for place in range(begin, len(query)):
        letter = query[place]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif not depth and letter == ",":
            yield begin, place
            begin = place + 1
        elif not depth and _FROM.match(query, place):
            yield begin, place
            return
