"""The capture in PostgreSQL's catalog: which triggers are there, in which state.

``install`` asks it (to install and to find faults), and ``pgtrigger_adapter`` (for
``manage.py pgtrigger ls``).
Only triggers whose function is on the search path are ours: another project in the same database,
with a schema of its own, is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from kck_publish.capture.record_change_sql import OPS
from kck_publish.capture.row_sql import quoted

HAS_LOG = """
SELECT to_regclass('kck_publish_change') IS NOT NULL
   AND to_regprocedure('kck_publish_announce_v1(text)') IS NOT NULL
"""

# One row for each wanted trigger on its table and on each partition of it, however deep. Nothing
# for a table that does not exist. Of row triggers only the partitions' own count. A subscription
# names the table, or partitions of it. Views and foreign tables cannot have such triggers.
FIND = """
WITH RECURSIVE
wanted (source, trigger, relation, columns) AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])
),
tree (source, root, relid) AS (
    SELECT DISTINCT source, to_regclass(relation)::oid, to_regclass(relation)::oid
    FROM wanted WHERE to_regclass(relation) IS NOT NULL
    UNION
    SELECT source, root, inhrelid FROM tree
    JOIN pg_inherits ON inhparent = relid AND NOT inhdetachpending
),
subscribed (source) AS (
    SELECT DISTINCT source FROM tree JOIN pg_subscription_rel ON srrelid = relid
)
SELECT wanted.source, wanted.trigger, relid::regclass::text, relkind IN ('r', 'p'),
       obj_description(pg_trigger.oid, 'pg_trigger'),
       COALESCE(tgenabled::text, ''),
       ARRAY(SELECT name FROM unnest(wanted.columns::text[]) AS name
             WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = root
                               AND attname = name AND attnum > 0 AND NOT attisdropped
                               AND attgenerated <> 'v')),
       pg_trigger.oid IS NOT NULL,
       by_row, COALESCE(tgtype & 1 = 1, by_row)
FROM wanted
JOIN tree USING (source)
JOIN pg_class ON pg_class.oid = relid
LEFT JOIN subscribed USING (source)
LEFT JOIN pg_trigger ON tgrelid = relid AND tgname = wanted.trigger
                    AND pg_function_is_visible(tgfoid)
CROSS JOIN LATERAL (
    SELECT subscribed.source IS NOT NULL AND wanted.trigger NOT LIKE 'kck_publish_truncate_%%'
) AS its (by_row)
WHERE NOT (relkind = 'p' AND by_row AND pg_trigger.oid IS NULL)
ORDER BY wanted.source, relid <> root, relid::regclass::text, wanted.trigger
"""

INSTALLED = """
SELECT lines[1], tgrelid::regclass::text, tgname, obj_description(pg_trigger.oid, 'pg_trigger'),
       ARRAY(SELECT name FROM unnest(lines[2:]) AS name
             WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = tgrelid
                               AND attname = name AND attnum > 0 AND NOT attisdropped
                               AND attgenerated <> 'v')),
       root IS NOT NULL AND NOT EXISTS (
           WITH RECURSIVE above (relid) AS (
               SELECT tgrelid
               UNION
               SELECT inhparent FROM above
               JOIN pg_inherits ON inhrelid = relid AND NOT inhdetachpending
           )
           SELECT FROM above WHERE relid = root)
FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
CROSS JOIN string_to_array(obj_description(tgfoid, 'pg_proc'), E'\n') AS lines
CROSS JOIN to_regclass(CASE WHEN lines[1] LIKE '"%%"' THEN lines[1]
                            ELSE format('"%%s"', lines[1]) END) AS root
WHERE tgname ~ %s AND proname = tgname AND pg_function_is_visible(tgfoid)
ORDER BY 1, 2, 3
"""

UNUSED_FUNCTIONS = """
SELECT pg_proc.oid::regprocedure::text
FROM pg_proc
WHERE proname ~ %s AND prorettype = 'trigger'::regtype AND pg_function_is_visible(pg_proc.oid)
  AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = pg_proc.oid)
"""

OUR_NAMES = f"^kck_publish_({'|'.join(OPS)})_[0-9a-f]{{16}}$"


@dataclass(frozen=True)
class Wanted:
    """A trigger that should be there: its source's table, its name, its hash, what it reads."""

    table: str
    trigger: str
    hash: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A wanted trigger as it is on one table (the source's, or a partition of it).

    Attributes:
        table: the source's table, as Django names it.
        trigger: the trigger's name.
        relation: the table it is on, as PostgreSQL shows it.
        is_table: False for a view or a foreign table, which cannot be captured.
        hash: the trigger's comment; "" when it has none, None when there is no trigger.
        fires: as PostgreSQL's tgenabled: "A" always, "O" and "R" for some sessions, "D" never.
        missing_columns: the columns that the source names and the table does not have, or has as
            generated ones that are not stored, which no trigger can read.
        subscribed: whether logical replication writes the source, so that it needs row triggers;
            False for TRUNCATE, which has none.
        by_row: whether it is a row trigger.
    """

    table: str
    trigger: str
    relation: str
    is_table: bool
    hash: str | None
    fires: str
    missing_columns: tuple[str, ...]
    subscribed: bool = False
    by_row: bool = False

    @property
    def enabled(self) -> bool:
        """Whether it fires for every session."""
        return self.fires == "A"

    @property
    def half_enabled(self) -> bool:
        """Whether it fires for some sessions: nobody means that, and pg_restore leaves it so."""
        return self.fires in ("O", "R")

    @property
    def usable(self) -> bool:
        """Whether the trigger could be installed and would work."""
        return self.is_table and not self.missing_columns


@dataclass(frozen=True)
class Installed:
    """A capture trigger that is there, wanted or not.

    Attributes:
        table: its source's table.
        relation: the table that it is on, as PostgreSQL shows it.
        trigger: its name, which is its function's.
        hash: its comment.
        missing_columns: what its function names and the table does not have: each write fails.
        detached: whether it is on a table that was, and no longer is, a partition.
    """

    table: str
    relation: str
    trigger: str
    hash: str
    missing_columns: tuple[str, ...]
    detached: bool

    @property
    def op(self) -> str:
        """The columns that it captures."""
        return self.trigger.split("_")[2]


def has_log(connection: BaseDatabaseWrapper) -> bool:
    """Whether the change log is in this database."""
    return connection.vendor == "postgresql" and bool(_rows(connection, HAS_LOG)[0][0])


def find(connection: BaseDatabaseWrapper, wanted: Iterable[Wanted]) -> list[Found]:
    """The state of the wanted triggers, in one query; the source's own table comes first."""
    wanted = list(wanted)
    rows = _rows(
        connection,
        FIND,
        [trigger.table for trigger in wanted],
        [trigger.trigger for trigger in wanted],
        [quoted(trigger.table) for trigger in wanted],
        [_array(name.strip('"') for name in trigger.columns) for trigger in wanted],
    )
    return [
        Found(
            source, name, relation, is_table, (hash or "") if there else None, on, tuple(no), *how
        )
        for source, name, relation, is_table, hash, on, no, there, *how in rows
    ]


def installed(connection: BaseDatabaseWrapper) -> list[Installed]:
    """All capture triggers of this project in this database."""
    rows = _rows(connection, INSTALLED, OUR_NAMES)
    return [
        Installed(table or "", relation, name, hash or "", tuple(no), detached)
        for table, relation, name, hash, no, detached in rows
    ]


def unused_functions(connection: BaseDatabaseWrapper) -> list[str]:
    """The functions of capture triggers that are gone, perhaps with their table."""
    return [row[0] for row in _rows(connection, UNUSED_FUNCTIONS, OUR_NAMES)]


def _rows(connection: BaseDatabaseWrapper, query: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return list(cursor.fetchall())


def _array(names: Iterable[str]) -> str:
    """Names as the text of a PostgreSQL array, so that lists of any length fit into one."""
    quotes = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return "{" + ",".join(f'"{name}"' for name in quotes) + "}"
