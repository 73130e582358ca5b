"""Which settings a trigger's function pins: those on which the texts of its columns depend.

A pinned setting costs each statement up to a microsecond, so the others are left to the session.
What counts are the types of the database, whatever the models say; a type that is not known here
(composites, ranges, those of extensions) may depend on all settings.

A function is made with all of them, and then loses those that it does not need. Where the type of a
column is changed by hand, the next look at the capture puts back what is missing. What was written
down before is of no account, since that look announces all of the source (see ``layout``).
"""

from __future__ import annotations

from django.db import connections
from psycopg import sql

from .locks import alone

# Each with its value, and the types whose text depends on it.
_SETTINGS = {
    "datestyle": ("ISO", "date time timetz timestamp timestamptz"),
    "intervalstyle": ("postgres", "interval"),
    "extra_float_digits": ("1", "float4 float8"),
    "timezone": ("UTC", "timestamptz"),
    "bytea_output": ("hex", "bytea"),
}
# The types whose text depends on no setting; enums are of them, too.
_PLAIN = (
    "bool int2 int4 int8 numeric text varchar bpchar name uuid json jsonb inet cidr macaddr oid bit"
    " varbit"
)

#: Pins all settings: a part of the command that makes a function.
ALL = sql.SQL("\n    ").join(
    sql.SQL("SET {} = {}").format(sql.SQL(setting), sql.Literal(value))
    for setting, (value, _) in _SETTINGS.items()
)

# The commands that change what functions pin. A function's comment tells its table and its columns.
# Arrays and domains are what they are made of, and a cast that somebody has made may do anything.
_COMMANDS = sql.SQL("""
WITH RECURSIVE shown (function, type) AS (
    SELECT pg_proc.oid, atttypid
    FROM pg_proc
    CROSS JOIN string_to_array(obj_description(pg_proc.oid, 'pg_proc'), chr(10)) AS lines
    JOIN pg_attribute ON attname = ANY (lines[2:]) AND NOT attisdropped AND attrelid = to_regclass(
        CASE WHEN starts_with(lines[1], '"') THEN lines[1] ELSE '"' || lines[1] || '"' END)
    WHERE proname ~ {functions}
    UNION
    SELECT function, CASE WHEN typtype = 'd' THEN typbasetype ELSE typelem END
    FROM shown JOIN pg_type ON pg_type.oid = type
    WHERE typtype = 'd' OR typoutput = 'pg_catalog.array_out'::regproc
), settings (setting, value, types) AS (
    VALUES {settings}
), needed (function, setting) AS (
    SELECT function, setting
    FROM shown JOIN pg_type ON pg_type.oid = type
    CROSS JOIN LATERAL (
        SELECT CASE WHEN typnamespace = 'pg_catalog'::regnamespace THEN typname ELSE '' END
    ) AS its (name)
    JOIN settings ON name = ANY (types)
        OR EXISTS (SELECT FROM pg_cast WHERE castsource = type AND pg_cast.oid >= 16384
                                         AND casttarget = 'text'::regtype)
        OR NOT (typtype IN ('d', 'e') OR typoutput = 'pg_catalog.array_out'::regproc
                OR name = ANY ({known}::text[]))
)
SELECT 'ALTER FUNCTION ' || pg_proc.oid::regprocedure ||
       CASE WHEN is_needed THEN ' SET ' || setting || ' = ' || quote_literal(value)
            ELSE ' RESET ' || setting END
FROM pg_proc CROSS JOIN settings
CROSS JOIN LATERAL (
    SELECT (oid, setting) IN (TABLE needed),
           EXISTS (SELECT FROM unnest(proconfig) AS pin
                   WHERE starts_with(lower(pin), setting || '='))
) AS its (is_needed, is_pinned)
WHERE proname ~ {functions} AND prorettype = 'trigger'::regtype
  AND pg_function_is_visible(pg_proc.oid) AND is_needed <> is_pinned AND {wanted}""")

_RUN = sql.SQL("""\
DO $kck_publish$
DECLARE
    command text;
BEGIN
    FOR command IN {commands}
    LOOP
        EXECUTE command;
    END LOOP;
END
$kck_publish$;
""")


def pin_sql(function: str) -> sql.Composable:
    """Has a function pin what it needs and no more; its comment is there already."""
    return _RUN.format(commands=_commands(f"^{function}$", sql.SQL("true")))


def pin_missing(using: str, functions: str, soon: bool = False) -> list[str]:
    """Pin what functions need since the type of a column is another one.

    Args:
        using: the alias.
        functions: a pattern of their names.
        soon: wait for no lock for long.

    Returns:
        A line for each setting.
    """
    query = _commands(functions, sql.SQL("is_needed")).as_string()
    with connections[using].cursor() as cursor:
        cursor.execute(query)
        if cursor.fetchone() is None:
            return []
    with alone(using, soon) as cursor:
        cursor.execute(query)
        commands = [command for (command,) in cursor.fetchall()]
        for command in commands:
            cursor.execute(command)
    return [f"{command}: a column has another type" for command in commands]


def _commands(functions: str, wanted: sql.Composable) -> sql.Composed:
    settings = sql.SQL(", ").join(
        sql.SQL("({}, {}, {}::text[])").format(setting, value, types.split())
        for setting, (value, types) in _SETTINGS.items()
    )
    known = [*_PLAIN.split(), *(name for _, types in _SETTINGS.values() for name in types.split())]
    return _COMMANDS.format(
        functions=sql.Literal(functions), settings=settings, known=sql.Literal(known), wanted=wanted
    )
