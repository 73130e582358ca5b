"""A row's image is the same whatever the writing session has set; no setting too many is pinned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from kck_publish.capture import install
from kck_publish.capture.trigger_function_sql import trigger_name
from kck_publish.products import registry
from tests.capture_app.capturing import Log, capturing, execute, source

pytestmark = pytest.mark.django_db

HOSTILE = """
SET LOCAL datestyle = 'German'; SET LOCAL timezone = 'Asia/Tokyo';
SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL extra_float_digits = -10;
SET LOCAL bytea_output = 'escape'
"""
TYPES = """
CREATE DOMAIN moment AS timestamptz; CREATE DOMAIN moments AS moment[];
CREATE DOMAIN shorter AS varchar(9); CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TYPE pair AS (day date, note text); CREATE TYPE colour AS ENUM ('red');
CREATE FUNCTION shown(colour) RETURNS text LANGUAGE sql STABLE AS
    $$SELECT enum_out($1)::text || timestamptz '2013-01-31 12:00+00'$$;
CREATE CAST (colour AS text) WITH FUNCTION shown(colour)
"""
ALL = {"datestyle", "intervalstyle", "extra_float_digits", "timezone", "bytea_output"}
NOON = "2013-01-31 12:00:00+00"
# The type of a column, what is written into it, the image, and what is pinned for it.
COLUMNS = [
    ("bool", "true", "true", set()),
    ("smallint", "1", "1", set()),
    ("integer", "1", "1", set()),
    ("bigint", "1", "1", set()),
    ("numeric(9, 2)", "1.5", "1.50", set()),
    ("text", "'a'", "a", set()),
    ("varchar(9)", "'a'", "a", set()),
    ("char(3)", "'a'", "a", set()),
    ("name", "'a'", "a", set()),
    (
        "uuid",
        "'00000000-0000-0000-0000-000000000001'",
        "0" * 8 + "-0000" * 3 + "-" + "0" * 11 + "1",
        set(),
    ),
    ("json", "'{\"a\":  1.50}'", '{"a":  1.50}', set()),
    ("jsonb", "'{\"a\":  1.50}'", '{"a": 1.50}', set()),
    ("inet", "'10.0.0.1'", "10.0.0.1/32", set()),
    ("cidr", "'10.0.0.0/8'", "10.0.0.0/8", set()),
    ("macaddr", "'08:00:2b:01:02:03'", "08:00:2b:01:02:03", set()),
    ("oid", "1", "1", set()),
    ("bit(3)", "B'101'", "101", set()),
    ("varbit", "B'101'", "101", set()),
    ("mood", "'sad'", "sad", set()),
    ("shorter", "'a'", "a", set()),
    ("integer[]", "'{1,2}'", "{1,2}", set()),
    ("mood[]", "'{sad}'", "{sad}", set()),
    ("date", "'2013-01-31'", "2013-01-31", {"datestyle"}),
    ("date[]", "'{2013-01-31}'", "{2013-01-31}", {"datestyle"}),
    ("time", "'12:00'", "12:00:00", {"datestyle"}),
    ("timetz", "'12:00+05:30'", "12:00:00+05:30", {"datestyle"}),
    ("timestamp", "'2013-01-31 12:00'", "2013-01-31 12:00:00", {"datestyle"}),
    ("timestamptz", f"'{NOON}'", NOON, {"datestyle", "timezone"}),
    ("moment", f"'{NOON}'", NOON, {"datestyle", "timezone"}),
    ("moments", f"ARRAY['{NOON}']::moments", f'{{"{NOON}"}}', {"datestyle", "timezone"}),
    ("interval", "'1 day 2 hours'", "1 day 02:00:00", {"intervalstyle"}),
    ("real", "0.1", "0.1", {"extra_float_digits"}),
    ("float8", "0.1::float8 + 0.2", "0.30000000000000004", {"extra_float_digits"}),
    ("bytea", "'x'", "\\x78", {"bytea_output"}),
    ("pair", "ROW('2013-01-31', 'x')::pair", "(2013-01-31,x)", ALL),
    ("daterange", "'[2013-01-31,2013-02-01)'", "[2013-01-31,2013-02-01)", ALL),
    ("point", "point(0.1::float8 + 0.2, 1)", "(0.30000000000000004,1)", ALL),
    ("colour", "'red'", f"red{NOON}", ALL),
]


@contextmanager
def captured_column(type_name: str) -> Iterator[type[Log]]:
    """Captures a column of such a type, of a model that knows it as a text."""

    class Pinned(models.Model):
        value = models.TextField(null=True)
        title = models.DateTimeField(null=True)

        class Meta:
            app_label = "capture_app"
            db_table = "pinned"

    try:
        execute(TYPES)
        execute(f"CREATE TABLE pinned (id int, value {type_name}, title timestamptz)")
        with capturing(source(Pinned, "value")) as log:
            yield log
    finally:
        del apps.all_models["capture_app"]["pinned"]
        apps.clear_cache()


def pinned(op: str) -> set[str]:
    """What the function of the table's trigger pins beside the search path."""
    ((settings,),) = execute(
        "SELECT proconfig FROM pg_proc WHERE proname = %s", trigger_name(op, "pinned")
    )
    return {setting.partition("=")[0].lower() for setting in settings} - {"search_path"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("type_name", "value", "image", "needed"), COLUMNS, ids=[column[0] for column in COLUMNS]
)
def test_the_writers_settings_change_no_image(
    type_name: str, value: str, image: str, needed: set[str]
) -> None:
    with captured_column(type_name) as log:
        execute(HOSTILE)
        execute(f"INSERT INTO pinned VALUES (1, {value}, now())")
        execute("UPDATE pinned SET value = NULL; DELETE FROM pinned")
        full: Any = {"id": "1", "value": image}
        none = {"id": "1", "value": None}
        assert log.take() == [
            ("insert", None, full),
            ("update", full, none),
            ("delete", none, None),
        ]
        assert [pinned(op) for op in ("insert", "update", "delete")] == [needed] * 3
        assert pinned("truncate") == set()


@pytest.mark.parametrize("only_missing", [True, False])
def test_a_type_that_is_changed_by_hand_is_pinned_by_the_next_look(only_missing: bool) -> None:
    with captured_column("int") as log:
        assert pinned("update") == set()
        execute(
            "ALTER TABLE pinned ALTER value TYPE timestamptz USING to_timestamp(value)",
        )
        done = install.install("default", registry.sources(), only_missing=only_missing)
        assert any("SET timezone = 'UTC': a column has another type" in line for line in done)
        assert install.install("default", registry.sources(), only_missing=only_missing) == []
        execute(HOSTILE)
        execute(f"INSERT INTO pinned VALUES (1, '{NOON}')")
        assert log.take() == [("insert", None, {"id": "1", "value": NOON})]
