"""The commands on the triggers of a source, on its table and on each of its partitions.

Pure text: ``pgtrigger_adapter`` hands it to django-pgtrigger, and ``install`` runs it.
"""

from __future__ import annotations

from psycopg import sql

from .source import Source
from .sql import body, columns_of, function_sql, quoted, trigger_name

TRANSITIONS = {
    "insert": "REFERENCING NEW TABLE AS kck_new",
    "update": "REFERENCING OLD TABLE AS kck_old NEW TABLE AS kck_new",
    "delete": "REFERENCING OLD TABLE AS kck_old",
    "truncate": "",
}

EACH_TABLE = sql.SQL("""\
DO $kck_publish$
DECLARE
    relation text;
BEGIN
    FOR relation IN
        WITH RECURSIVE tree (relid) AS (
            SELECT {table}::regclass::oid
            UNION
            SELECT inhrelid FROM tree
            JOIN pg_inherits ON inhparent = relid AND NOT inhdetachpending
        )
        SELECT relid::regclass FROM tree JOIN pg_class ON oid = relid WHERE relkind IN ('r', 'p')
    LOOP
        {commands}
    END LOOP;
END
$kck_publish$;
""")


def install_sql(source: Source, op: str, comment: str) -> str:
    """Installs one trigger of a source's table and of each of its partitions."""
    does, columns = body(source, op), columns_of(source, op)
    return function_sql(source.table, op, does, columns) + attach_sql(source.table, op, comment)


def attach_sql(table: str, op: str, comment: str) -> str:
    """Puts the trigger on a table and on each of its partitions; its function is there already."""
    name = trigger_name(op, table)
    return each_table(
        table,
        (
            f"CREATE OR REPLACE TRIGGER {name} AFTER {op.upper()} ON ",
            f" {TRANSITIONS[op]} FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
        ),
        ("ALTER TABLE ", f" ENABLE ALWAYS TRIGGER {name}"),
        (f"COMMENT ON TRIGGER {name} ON ", f" IS '{comment}'"),
    )


def each_table(table: str, *commands: tuple[str, str]) -> str:
    """Runs commands, each the text before and after the table's name, on it and its partitions.

    PostgreSQL fires the statement triggers of the table that the statement names, so a write that
    names a partition needs triggers there.
    """
    return EACH_TABLE.format(
        table=sql.Literal(quoted(table)),
        commands=sql.SQL("\n        ").join(
            sql.SQL("EXECUTE {} || relation || {};").format(sql.Literal(before), sql.Literal(after))
            for before, after in commands
        ),
    ).as_string()
