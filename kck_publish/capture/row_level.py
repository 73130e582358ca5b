"""What a trigger function does for a row trigger: where logical replication writes the table.

Its apply worker fires row triggers alone, while its first copy of a table fires both. So the
triggers of such a table are row triggers and no others: each change is written down once, whoever
makes it. Only TRUNCATE has none, and fires its statement trigger there, too.

The values are taken from the rows column by column, so that no cached plan of a session depends on
columns that nobody has declared.
"""

from __future__ import annotations

from psycopg import sql

from .record_change_sql import ORIGIN
from .row_sql import changed, image, same_key, virtual_columns, watched_columns
from .source import Source

INSERT = sql.SQL("""\
INSERT INTO kck_publish_change (source, op, columns, new, origin)
            VALUES ({source}, 'insert', {columns}, {new}, {origin});""")

DELETE = sql.SQL("""\
INSERT INTO kck_publish_change (source, op, columns, old, origin)
            VALUES ({source}, 'delete', {columns}, {old}, {origin});""")

# A row whose primary key has changed is deleted under the old one and inserted under the new one.
UPDATE = sql.SQL("""\
INSERT INTO kck_publish_change (source, op, columns, old, new, origin)
            SELECT {source}, change.op, {columns}, CASE WHEN change.op <> 'insert' THEN {old} END,
                   CASE WHEN change.op <> 'delete' THEN {new} END, {origin}
            FROM unnest(CASE WHEN {same_key} THEN '{{update}}'::text[]
                             ELSE '{{delete,insert}}'::text[] END) AS change (op)
            WHERE NOT ({same_key}) OR {changed};""")


def body(source: Source, op: str) -> sql.Composable:
    """What a row trigger of the source does on ``op``, which is not "truncate"."""
    unseen = virtual_columns(source)
    return {"insert": INSERT, "update": UPDATE, "delete": DELETE}[op].format(
        source=sql.Literal(source.table),
        origin=ORIGIN,
        columns=sql.SQL("{}::text[]").format(sql.Literal(list(source.captured))),
        old=image("old", source, unseen),
        new=image("new", source, unseen),
        same_key=same_key("old", "new", source.primary_key),
        changed=changed("old", "new", watched_columns(source)),
    )
