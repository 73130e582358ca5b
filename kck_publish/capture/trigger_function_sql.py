"""The function that a capture trigger runs: the frame around what it records.

Each function is SECURITY DEFINER, so that a program with any role can write; therefore its search
path is pinned to the installing session's, temporary tables last. Other settings pin how values
become text, whatever the writing session has set (see ``pinned_settings``).

A transaction announces a source once: a listener that falls asleep waits for the transactions that
have read its flag before. Both settings that remember it go back with a savepoint, as the ring
does; the second tells the listeners of one schema from those of another. The function that rings
is called where it has something to decide: a call costs 3 microseconds, and mostly nobody sleeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from psycopg import sql

from . import pinned_settings
from .row_sql import quoted
from .source import wrote_setting

FUNCTION = sql.SQL("""\
SELECT set_config('kck_publish.search_path', current_setting('search_path'), true);
SELECT set_config('search_path', (
    SELECT string_agg(quote_ident(name), ', ' ORDER BY place)
    FROM unnest(current_schemas(false) || name 'pg_temp') WITH ORDINALITY AS path (name, place)
    WHERE NOT starts_with(name::text, 'pg_temp_')
), true);
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
    {pinned}
AS $kck_publish$
DECLARE
    ignored text;
    written bigint;
    said text;
BEGIN
    IF current_setting('kck_publish.suppress', true) = '*'
       OR strpos(current_setting('kck_publish.suppress', true), {suppressed}) > 0 THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME <> {name} THEN
        IF to_regclass({table}) IS NOT NULL AND NOT EXISTS (
            WITH RECURSIVE above (relid) AS (
                SELECT TG_RELID
                UNION
                SELECT inhparent FROM above
                JOIN pg_inherits ON inhrelid = relid AND NOT inhdetachpending
            )
            SELECT FROM above WHERE relid = to_regclass({table})
        ) THEN
            RETURN NULL;  -- a partition that was detached
        END IF;
    END IF;
    {body}
    IF FOUND AND (current_setting({wrote}, true) IS DISTINCT FROM pg_current_xact_id()::text
                  OR current_setting('kck_publish.rang', true) IS DISTINCT FROM {rang}) THEN
        ignored := set_config('kck_publish.rang', {rang}, false);
        ignored := set_config({wrote}, pg_current_xact_id()::text, false);
        PERFORM FROM kck_publish_listener WHERE asleep LIMIT 1;
        IF FOUND OR current_setting('transaction_isolation') <> 'read committed' THEN
            PERFORM kck_publish_ring_v1();
        END IF;
    END IF;
    RETURN NULL;
END
$kck_publish$;
REVOKE ALL ON FUNCTION {function}() FROM PUBLIC;
COMMENT ON FUNCTION {function}() IS {comment};
SELECT set_config('search_path', current_setting('kck_publish.search_path'), true);
{pin}""")

# The listeners that are rung: a constant of the function's plan.
RANG = sql.SQL("'kck_publish_listener'::regclass::oid::text")


def trigger_name(op: str, table: str) -> str:
    """The name of a trigger and of its function.

    Not ``pgtrigger_...``: of those, ``pgtrigger prune`` drops what it does not find in its
    registry: the triggers on partitions, and all of them when another project's code prunes.
    """
    return f"kck_publish_{op}_{hashlib.blake2b(table.encode(), digest_size=8).hexdigest()}"


def digest(text: str) -> str:
    """The hash of a version of a trigger's SQL; kept as the trigger's comment."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def function_sql(table: str, op: str, does: sql.Composable, columns: Iterable[str] = ()) -> str:
    """Creates or replaces the function of one trigger. Run it in a transaction.

    The function's comment tells its table and, a line each, the columns that it names.
    """
    return FUNCTION.format(
        function=sql.SQL(trigger_name(op, table)),
        pinned=pinned_settings.ALL,
        pin=pinned_settings.pin_sql(trigger_name(op, table)),
        comment=sql.Literal("\n".join([table, *(column.strip('"') for column in columns)])),
        name=sql.Literal(quoted(table).rpartition('"."')[2].strip('"')),
        table=sql.Literal(quoted(table)),
        suppressed=sql.Literal(f"|{table}|"),
        wrote=sql.Literal(wrote_setting(table)),
        rang=RANG,
        body=does,
    ).as_string()
