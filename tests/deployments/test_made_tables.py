"""How the library's tables come to be, what is said meanwhile, and that no dump holds them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.sites.models import Site
from django.core.management import call_command
from django.db import connection, connections
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from kck_publish import Cache, search_path
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import drain, sql
from tests.catalog.models import Author, Book, Item
from tests.catalog.primers import ItemTotal

cache = Cache.get_instance()
NEW = "kck_made"
# All that there is in our tables: columns with their defaults, constraints, indexes, functions and
# triggers, and what they are made of.
OBJECTS = """
SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
       || coalesce(column_default, '') || ' ' || coalesce(identity_generation, '')
  FROM information_schema.columns WHERE table_name LIKE 'kck_publish%'
 UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid::regclass::text LIKE 'kck_publish%'
 UNION ALL SELECT indexdef FROM pg_indexes WHERE tablename LIKE 'kck_publish%'
 UNION ALL SELECT proname || ' ' || prosrc FROM pg_proc WHERE proname LIKE 'kck_publish%'
 UNION ALL SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger
            WHERE tgname LIKE 'kck_publish%' AND NOT tgisinternal
 UNION ALL SELECT relname || ' ' || relpersistence::text || coalesce(reloptions::text, '')
             FROM pg_class WHERE relname LIKE 'kck_publish%'
 ORDER BY 1
"""


class NoMigrations:
    """What ``pytest --nomigrations`` and ``TEST = {"MIGRATE": False}`` set."""

    def __contains__(self, label: str) -> bool:
        return True

    def __getitem__(self, label: str) -> None:
        return None


@contextmanager
def new_database() -> Iterator[None]:
    """Django's connection is to an empty database of the tests' server."""
    name = connection.settings_dict["NAME"]
    sql(f"DROP DATABASE IF EXISTS {NEW}")
    sql(f"CREATE DATABASE {NEW}")
    connection.close()
    connection.settings_dict["NAME"] = NEW
    search_path.forget()
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
        search_path.forget()
        sql(f"DROP DATABASE {NEW} WITH (FORCE)")


def objects() -> list[str]:
    return [row[0] for row in sql(OBJECTS)]


def migrate() -> str:
    """What it says beside what it does."""
    said = io.StringIO()
    call_command("migrate", run_syncdb=True, verbosity=0, interactive=False, stderr=said)
    return said.getvalue()


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "modules", [NoMigrations(), {"kck_publish": None}], ids=["no migrations", "not ours"]
)
def test_tables_that_are_made_without_migrations(modules: Any) -> None:
    """They are what the migrations make (D3)."""
    expected = objects()
    with new_database(), override_settings(MIGRATION_MODULES=modules):
        said = migrate()
        assert objects() == expected
        assert "kck_publish" not in said
        author = Author.objects.create(slug="a", first="A", last="B")
        assert Author.cached.get(slug="a") == author
        drain()
        Author.objects.update(last="C")
        drain()
        assert Author.cached.get(slug="a").last == "C"
        assert migrate() == "", "nor is anything to be done again"
        assert objects() == expected


@pytest.mark.django_db(transaction=True)
def test_migrate_is_silent_about_what_it_does_itself() -> None:
    """Of tables that are missing, and of triggers that are; ``check`` names both (D5)."""
    with new_database():
        assert "kck_publish.W005" in _checked()
        assert "kck_publish" not in migrate()
        assert "kck_publish.W005" not in _checked()
        table = Item._meta.db_table
        ((trigger,),) = sql(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass "
            "AND tgname LIKE 'kck_publish_insert%%'",
            table,
        )
        sql(f"DROP TRIGGER {trigger} ON {table}")
        assert "kck_publish.W003" in _checked()
        assert "kck_publish" not in migrate()
        assert "kck_publish.W003" not in _checked()


def _checked() -> str:
    said = io.StringIO()
    call_command("check", databases=["default"], stdout=said, stderr=said)
    return said.getvalue()


@pytest.fixture
def full(transactional_db: None) -> None:
    """Rows in all of our tables that matter, and in sources."""
    author = Author.objects.create(slug="a", first="A", last="B")
    Book.objects.create(author=author, title="One")
    Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    cache.set("any/thing", 1)
    drain()
    Item.objects.update(amount=6)
    assert sql("SELECT 1 FROM kck_publish_entry")
    assert sql("SELECT 1 FROM kck_publish_change")
    assert sql("SELECT 1 FROM kck_publish_shard")


@pytest.mark.usefixtures("full")
@pytest.mark.django_db(transaction=True)
def test_no_dump_holds_our_tables(tmp_path: Path) -> None:
    """``dumpdata | loaddata`` moves the sources; what is stored is made anew there (D2)."""
    for options in ({}, {"use_base_manager": True}, {"use_natural_foreign_keys": True}):
        file = str(tmp_path / "dump.json")
        call_command("dumpdata", "catalog", "kck_publish", output=file, **options)
        models = {row["model"] for row in json.loads(Path(file).read_text())}
        assert "catalog.item" in models
        assert not any(model.startswith("kck_publish.") for model in models)
    call_command("flush", interactive=False, verbosity=0)
    call_command("loaddata", file, verbosity=0)
    assert ItemTotal.cached.get(group=1)["amount"] == 6
    drain()
    assert_fresh()


@pytest.mark.usefixtures("full")
@pytest.mark.django_db(transaction=True)
def test_a_serialized_rollback_brings_back_the_sources_alone() -> None:
    """As ``TransactionTestCase(serialized_rollback=True)`` does (D2)."""
    creation = connection.creation
    Site.objects.create(domain="a.example", name="A")
    with override_settings(TEST_NON_SERIALIZED_APPS=_others()):
        contents = creation.serialize_db_to_string()
    assert "a.example" in contents
    assert "kck_publish." not in contents
    call_command("flush", interactive=False, verbosity=0)
    creation.deserialize_db_from_string(contents)
    assert Site.objects.filter(domain="a.example").exists()
    drain()
    assert_fresh()


def _others() -> list[str]:
    return [
        config.name
        for config in apps.get_app_configs()
        if config.label not in ("sites", "kck_publish")
    ]


@pytest.mark.usefixtures("full")
@pytest.mark.django_db(transaction=True)
def test_the_rows_of_our_tables_are_there_for_everybody_else() -> None:
    """The admin and a shell see them, also by ``using`` and in order."""
    model = apps.get_model("kck_publish", "Entry")
    with CaptureQueriesContext(connections["default"]):
        assert len(model.objects.using("default").order_by("key")) >= 2
        assert model.objects.using("default").count() >= 2
        assert list(model.objects.iterator())
