"""What a trigger records: the SQL of one source's trigger functions.

Pure text, made from a ``Source``. Every function writes the rows of one statement to the change log
with one INSERT.

The frame is in ``trigger_function_sql``. One statement is one call, whether it touches one row or a
million; but where a subscription writes, whose changes fire row triggers alone: the same function
knows that form, too (see ``row_level``).

A statement that writes one row pays for each expression here. An expression without a query is
evaluated by PL/pgSQL itself; one with a query (EXISTS, PERFORM) is run as a statement, for about 2
microseconds. So no query stands in a condition that all statements meet, and settings are set by
assignments.
"""

from __future__ import annotations

from functools import partial

from psycopg import sql

from .row_sql import (
    changed,
    image,
    quoted,
    same_key,
    virtual_columns,
    watched_columns,
)
from .source import Source

OPS = ("insert", "update", "delete", "truncate")

#: The comment on a trigger whose function is the coarse one (see ``coarse_body``).
COARSE = "coarse"

INSERT = sql.SQL("""\
INSERT INTO kck_publish_change (source, op, columns, new, origin)
    SELECT {source}, 'insert', {columns}, {new}, {origin} FROM kck_new;""")

DELETE = sql.SQL("""\
INSERT INTO kck_publish_change (source, op, columns, old, origin)
    SELECT {source}, 'delete', {columns}, {old}, {origin} FROM kck_old;""")

# A full join is hashed or merged and never a nested loop, so the plan that a session keeps from a
# one-row update is still good for a million rows. A row whose primary key has changed finds no
# partner: it is deleted under the old key and inserted under the new one. Rows are compared by
# their image: that needs no equality operator (json has none), and sees a change that equality does
# not (citext, 1.0 and 1.00). The cast to record keeps *<> from being taken column by column.
UPDATE = sql.SQL("""\
INSERT INTO kck_publish_change (source, op, columns, old, new, origin)
    SELECT {source},
           CASE WHEN kck_old.{key} IS NULL THEN set_config('kck_publish.moved', 'insert', true)
                WHEN kck_new.{key} IS NULL THEN set_config('kck_publish.moved', 'delete', true)
                ELSE 'update' END,
           {columns},
           CASE WHEN kck_old.{key} IS NOT NULL THEN {old} END,
           CASE WHEN kck_new.{key} IS NOT NULL THEN {new} END,
           {origin}
    FROM {old_rows} FULL JOIN {new_rows} ON {same_key}
    WHERE kck_old.{key} IS NULL OR kck_new.{key} IS NULL OR {changed}{order};""")

# Actions of foreign keys (SET NULL, SET DEFAULT, CASCADE) may change one row several times, and all
# of that comes as one statement: joined by the key, each old version would meet each new one. So
# what was written is taken back, and written again with each row's versions in their order. What is
# wrong has two rows of the log at least, or one of a row whose key has changed. (That setting ends
# with the function.) So who changes one row is asked nothing.
#
# A row that MERGE moves to another partition is in no transition table of a trigger that fires. So
# a MERGE that updates a partitioned table (whose triggers have an argument) announces all of it.
UPDATES = sql.SQL("""\
{joined}
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written > 1 OR current_setting('kck_publish.moved', true) <> '' THEN
        IF EXISTS (SELECT FROM kck_old GROUP BY {keys} HAVING count(*) > 1)
           OR EXISTS (SELECT FROM kck_new GROUP BY {keys} HAVING count(*) > 1) THEN
            DELETE FROM kck_publish_change WHERE xid = pg_current_xact_id() AND seq IN (
                SELECT seq FROM kck_publish_change WHERE xid = pg_current_xact_id()
                ORDER BY seq DESC LIMIT written);
            {by_version}
        END IF;
    END IF;
    IF TG_NARGS > 0 THEN
        GET DIAGNOSTICS said = PG_CONTEXT;
        IF concat(current_query(), said) ~* '[[:<:]]merge[[:space:]]+into[[:>:]]' THEN
            {whole}
        END IF;
    END IF;""")

# A transition table gives its rows in the order in which they were written.
VERSIONS = sql.SQL("""\
(SELECT *, row_number() OVER (PARTITION BY {keys} ORDER BY kck_place) AS kck_version
           FROM (SELECT *, {rows} AS kck_row, row_number() OVER () AS kck_place FROM {rows}) AS its
         ) AS {rows}""")

WHOLE_ROWS = sql.SQL("kck_old.kck_row *<> kck_new.kck_row")

TRUNCATE = sql.SQL("""\
INSERT INTO kck_publish_change (source, op, origin)
    SELECT {source}, 'truncate', {origin}{if_any};""")

ORIGIN = sql.SQL("NULLIF(current_setting('kck_publish.origin', true), '')")

EITHER = sql.SQL("""\
IF TG_LEVEL = 'ROW' THEN
        {by_row}
    ELSE
        {by_statement}
    END IF;""")


def body(source: Source, op: str) -> sql.Composable:
    """The body of a trigger of the source on ``op``."""
    if op == "update":
        return _updates(source)
    unseen = virtual_columns(source)
    return {"insert": INSERT, "delete": DELETE, "truncate": TRUNCATE}[op].format(
        source=sql.Literal(source.table),
        origin=ORIGIN,
        if_any=sql.SQL(""),
        columns=_columns(source),
        old=image("kck_old", source, unseen),
        new=image("kck_new", source, unseen),
    )


def _updates(source: Source) -> sql.Composable:
    key, unseen, watched = source.primary_key, virtual_columns(source), watched_columns(source)
    keys = sql.SQL(", ").join(sql.SQL(quoted(column)) for column in key)
    same, differ = same_key("kck_old", "kck_new", key), changed("kck_old", "kck_new", watched)
    update = partial(
        UPDATE.format,
        source=sql.Literal(source.table),
        origin=ORIGIN,
        columns=_columns(source),
        old=image("kck_old", source, unseen),
        new=image("kck_new", source, unseen),
        key=sql.SQL(quoted(key[0])),
    )
    old, new = (VERSIONS.format(rows=sql.SQL(rows), keys=keys) for rows in ("kck_old", "kck_new"))
    return UPDATES.format(
        keys=keys,
        joined=update(
            old_rows=sql.SQL("kck_old"),
            new_rows=sql.SQL("kck_new"),
            same_key=same,
            changed=differ,
            order=sql.SQL(""),
        ),
        by_version=update(
            old_rows=old,
            new_rows=new,
            same_key=sql.SQL("{} AND kck_old.kck_version = kck_new.kck_version").format(same),
            changed=differ if watched is not None else WHOLE_ROWS,
            order=sql.SQL(" ORDER BY COALESCE(kck_old.kck_version, kck_new.kck_version)"),
        ),
        whole=TRUNCATE.format(source=sql.Literal(source.table), origin=ORIGIN, if_any=sql.SQL("")),
    )


def _columns(source: Source) -> sql.Composable:
    return sql.SQL("{}::text[]").format(sql.Literal(list(source.captured)))


def either(by_row: sql.Composable, by_statement: sql.Composable) -> sql.Composable:
    """What a function does for a row trigger, and for a statement trigger."""
    return EITHER.format(by_row=by_row, by_statement=by_statement)


def coarse_body(table: str, op: str) -> sql.Composable:
    """A trigger's body while columns come and go: it names none, and logs "the whole source"."""
    rows = {
        "insert": sql.SQL(" WHERE EXISTS (SELECT FROM kck_new)"),
        "update": sql.SQL(" WHERE EXISTS (SELECT FROM kck_new)"),
        "delete": sql.SQL(" WHERE EXISTS (SELECT FROM kck_old)"),
    }
    always, if_any = (
        TRUNCATE.format(source=sql.Literal(table), origin=ORIGIN, if_any=condition)
        for condition in (sql.SQL(""), rows.get(op, sql.SQL("")))
    )
    return either(always, if_any) if op in rows else always


def columns_of(source: Source, op: str) -> tuple[str, ...]:
    """The columns that the function names: without one of them each write would fail."""
    names = {"truncate": ()}.get(op, source.captured)
    if op == "update":
        names = (*names, *source.primary_key, *(watched_columns(source) or ()))
    unseen = virtual_columns(source)
    return tuple(dict.fromkeys(name for name in names if name not in unseen))
