"""CREATE TRIGGER and its like: the triggers of a source, on its table and on each partition.

What a trigger does is in ``record_change_sql``.

Pure text: ``pgtrigger_adapter`` hands it to django-pgtrigger, and ``install`` runs it.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from . import row_level
from .record_change_sql import body, columns_of, either
from .row_sql import quoted
from .source import Source
from .trigger_function_sql import function_sql, trigger_name

TRANSITIONS = {
    "insert": "REFERENCING NEW TABLE AS kck_new",
    "update": "REFERENCING OLD TABLE AS kck_old NEW TABLE AS kck_new",
    "delete": "REFERENCING OLD TABLE AS kck_old",
    "truncate": "",
}

# A row trigger of a partitioned table itself would fire for none: the rows are in partitions.
EACH_TABLE = sql.SQL("""\
DO $kck_publish$
DECLARE
    relation text;
    is_partitioned boolean;
    is_subscribed boolean;
BEGIN
    FOR relation, is_partitioned, is_subscribed IN
        WITH RECURSIVE tree (relid) AS (
            SELECT {table}::regclass::oid
            UNION
            SELECT inhrelid FROM tree
            JOIN pg_inherits ON inhparent = relid AND NOT inhdetachpending
        )
        SELECT relid::regclass, relkind = 'p',
               EXISTS (SELECT FROM pg_subscription_rel JOIN tree ON srrelid = relid)
        FROM tree JOIN pg_class ON oid = relid
        WHERE relkind = 'r' OR relkind = 'p' {condition}
    LOOP
        {commands}
    END LOOP;
END
$kck_publish$;
""")
ANY = sql.SQL("")
ATTACH = sql.SQL("""\
IF {by_row} AND is_partitioned THEN
            EXECUTE {drop} || relation;
            CONTINUE;
        END IF;
        EXECUTE {create} || relation || CASE WHEN {by_row} THEN ' FOR EACH ROW'
            ELSE {for_each_statement} END || {execute}
            || CASE WHEN is_partitioned THEN '(''partitioned'')' ELSE '()' END;
        """)


def install_sql(source: Source, op: str, comment: str) -> str:
    """Installs one trigger of a source's table and of each of its partitions."""
    does, columns = body(source, op), columns_of(source, op)
    if op != "truncate":
        does = either(row_level.body(source, op), does)
    return function_sql(source.table, op, does, columns) + attach_sql(source.table, op, comment)


def attach_sql(table: str, op: str, comment: str) -> str:
    """Puts the trigger on a table and on each of its partitions; its function is there already.

    As a row trigger where a subscription writes (see ``row_level``).
    """
    name = trigger_name(op, table)
    attach = ATTACH.format(
        by_row=sql.SQL("is_subscribed" if op != "truncate" else "false"),
        drop=sql.Literal(f"DROP TRIGGER IF EXISTS {name} ON "),
        create=sql.Literal(f"CREATE OR REPLACE TRIGGER {name} AFTER {op.upper()} ON "),
        for_each_statement=sql.Literal(f" {TRANSITIONS[op]} FOR EACH STATEMENT"),
        execute=sql.Literal(f" EXECUTE FUNCTION {name}"),
    )
    commands = (
        ("ALTER TABLE ", f" ENABLE ALWAYS TRIGGER {name}"),
        (f"COMMENT ON TRIGGER {name} ON ", f" IS '{comment}'"),
    )
    return _each_table(table, attach + _executed(commands))


def each_table(table: str, *commands: tuple[str, str]) -> str:
    """Runs commands, each the text before and after the table's name, on it and its partitions.

    PostgreSQL fires the statement triggers of the table that the statement names, so a write that
    names a partition needs triggers there.
    """
    return _each_table(table, _executed(commands))


def on_trigger(table: str, name: str, *commands: tuple[str, str]) -> str:
    """As ``each_table``, but not on a partitioned table that has no such trigger."""
    there = sql.SQL("AND EXISTS (SELECT FROM pg_trigger WHERE tgrelid = relid AND tgname = {})")
    return _each_table(table, _executed(commands), there.format(sql.Literal(name)))


def _executed(commands: Iterable[tuple[str, str]]) -> sql.Composed:
    return sql.SQL("\n        ").join(
        sql.SQL("EXECUTE {} || relation || {};").format(sql.Literal(before), sql.Literal(after))
        for before, after in commands
    )


def _each_table(table: str, commands: sql.Composable, condition: sql.Composable = ANY) -> str:
    return EACH_TABLE.format(
        table=sql.Literal(quoted(table)), condition=condition, commands=commands
    ).as_string()
