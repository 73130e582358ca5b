"""The capture is installed without migrations, outlives schema changes; its faults are found."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pgtrigger
import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction
from django.test.utils import CaptureQueriesContext
from pgtrigger import core
from pgtrigger import registry as pgtrigger_registry

import kck_publish.checks  # noqa: F401  (registers them)
from kck_publish.capture import catalog, install, migrate
from kck_publish.capture.source import Source
from kck_publish.products import registry
from tests.capture_app.capturing import Log, capturing, declared, execute, source
from tests.capture_app.models import Author, Book, Reading, Tag
from tests.capture_moving.models import Parcel
from tests.catalog.models import Item

BOOK = source(Book, "author_id", "title")
MIGRATE = "Run `manage.py migrate`."
# Of capture: the store's table has some of its own, for near stores.
OURS = (
    "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'kck_publish_%' "
    "AND tgname NOT LIKE 'kck_publish_copy_%'"
)


@pytest.fixture
def log(db: None) -> Iterator[type[Log]]:
    with capturing(BOOK) as log:
        yield log


def statuses() -> dict[str, tuple[str, bool | None]]:
    return {
        uri: trigger.get_installation_status(model, database=DEFAULT_DB_ALIAS)
        for uri, (model, trigger) in pgtrigger_registry._registry.items()
        if "kck_publish_" in uri
    }


def problems() -> list[str]:
    return [fault.problem for fault in install.faults("default", registry.sources())]


def name_of(op: str) -> str:
    found = catalog.installed(connection)
    return next(one.trigger for one in found if one.trigger.startswith(f"kck_publish_{op}"))


def test_installing_twice_does_nothing(log: type[Log]) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert install.install("default", registry.sources()) == []
    assert len(queries) == 7
    assert "CREATE" not in str(queries.captured_queries)
    assert problems() == []


def test_migrations_never_see_the_triggers(log: type[Log]) -> None:
    with declared(
        BOOK,
        source(Author, "name"),
        source(User, "username"),
        source(Group, "name"),
        source(User.groups.through, "user_id"),
        source(Book.tags.through, "tag_id"),
        source(Parcel, "label"),
    ):
        assert len(statuses()) == 28
        for model in (Book, User, User.groups.through):
            assert "triggers" not in model._meta.original_attrs
            assert not getattr(model._meta, "triggers", None)
        for app in (["auth"], ["capture_moving"], ["kck_publish"], []):
            call_command("makemigrations", *app, check=True, dry_run=True, verbosity=0)
    assert len(statuses()) == 4  # those that the fixture declares


def test_a_models_own_triggers_stay_in_its_meta(log: type[Log]) -> None:
    own = pgtrigger.Protect(name="own", operation=pgtrigger.Delete)
    model: Any = Tag
    with own.register(model):
        with declared(source(Tag, "name")):
            assert model._meta.triggers == [own]
        assert model._meta.triggers == [own]
        assert Tag._meta.original_attrs["triggers"] == [own]


def test_pgtrigger_commands(log: type[Log], capsys: pytest.CaptureFixture[str]) -> None:
    assert set(statuses().values()) == {(core.INSTALLED, True)}
    before = execute(OURS)
    for command in ("prune", "install", "enable", "ls"):
        call_command("pgtrigger", command)
        assert execute(OURS) == before, command
        assert problems() == [], command
    assert capsys.readouterr().out.count("INSTALLED") == 4
    call_command("pgtrigger", "disable")
    assert problems() == ["disabled"] * 4
    assert set(statuses().values()) == {(core.INSTALLED, False)}
    Author.objects.create(name="Ada").book_set.create(title="One")
    assert log.ops() == []
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    call_command("pgtrigger", "enable")
    assert problems() == []
    call_command("pgtrigger", "uninstall")
    assert problems() == ["missing"] * 4
    call_command("pgtrigger", "install")
    assert problems() == []


def test_partitions_are_installed_watched_and_cured(db: None) -> None:
    execute(
        "CREATE TABLE capture_app_reading (day int, id int, value int, PRIMARY KEY (day, id))"
        " PARTITION BY RANGE (day);"
        "CREATE TABLE r1 PARTITION OF capture_app_reading FOR VALUES FROM (0) TO (10)"
    )
    with capturing(source(Reading, "value")):
        call_command("pgtrigger", "prune")
        assert execute(OURS) == [(8,)]
        execute("CREATE TABLE r2 PARTITION OF capture_app_reading FOR VALUES FROM (10) TO (20)")
        assert {
            (fault.table, fault.problem) for fault in install.faults("default", registry.sources())
        } == {("r2", "missing")}
    with declared(source(Reading, "id")):  # another version of the code
        assert len(install.install("default", registry.sources(), only_missing=True)) == 4
    with declared(source(Reading, "value")):
        assert problems() == []
        call_command("pgtrigger", "disable")
        assert problems() == ["disabled"] * 12
        assert len(install.install("default", registry.sources())) == 12
        assert problems() == []


def test_each_fault_is_found_named_and_cured(log: type[Log]) -> None:
    insert, update, delete = name_of("insert"), name_of("update"), name_of("delete")
    execute(f"DROP TRIGGER {insert} ON capture_app_book")
    execute(f"ALTER TABLE capture_app_book DISABLE TRIGGER {update}")
    execute(f"COMMENT ON TRIGGER {delete} ON capture_app_book IS 'an older version'")
    assert sorted(map(str, install.faults("default", registry.sources()))) == [
        f"Trigger {name} of table capture_app_book is {problem}"
        for name, problem in (
            (delete, f"outdated: it captures what another version of the code asks for. {MIGRATE}"),
            (insert, f"missing: its changes are not captured. {MIGRATE}"),
            (update, "disabled: its changes are not captured. Run `manage.py pgtrigger enable`."),
        )
    ]
    warnings = [one for one in run_checks(databases=["default"]) if one.id == "kck_publish.W003"]
    assert len(warnings) == 3
    assert not [one for one in run_checks() if one.id == "kck_publish.W003"]
    assert len(install.install("default", registry.sources())) == 3
    assert problems() == []


def test_a_listener_of_the_old_code_changes_nothing_that_is_there(log: type[Log]) -> None:
    """While a deploy is on its way, the new code's triggers stay as they are."""
    before = execute("SELECT obj_description(oid), tgname FROM pg_trigger ORDER BY 2")
    with declared(source(Book, "pages")):
        assert install.install("default", registry.sources(), only_missing=True) == []
    with declared():
        assert install.install("default", registry.sources(), only_missing=True) == []
    assert execute("SELECT obj_description(oid), tgname FROM pg_trigger ORDER BY 2") == before
    execute(f"DROP TRIGGER {name_of('insert')} ON capture_app_book")
    with declared(BOOK):
        assert len(install.install("default", registry.sources(), only_missing=True)) == 1
        assert problems() == []


def test_a_trigger_that_fires_for_ordinary_sessions_only_is_not_enough(log: type[Log]) -> None:
    execute(f"ALTER TABLE capture_app_book ENABLE TRIGGER {name_of('update')}")
    assert problems() == ["disabled"]


def test_more_columns_make_it_outdated_and_no_longer_a_source_removes_it(log: type[Log]) -> None:
    with declared(source(Book, "author_id", "title", "pages")):
        assert problems() == ["outdated"] * 3  # TRUNCATE has no columns
        install.install("default", registry.sources())
        assert problems() == []
    execute("CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    execute(
        "CREATE TRIGGER kck_publish_insert_0123456789abcdef AFTER INSERT ON capture_app_tag "
        "EXECUTE FUNCTION other()"
    )
    with declared():
        assert len(install.install("default", registry.sources())) == 4
    assert execute(OURS) == [(1,)]  # somebody else's
    assert execute("SELECT count(*) FROM pg_proc WHERE proname LIKE 'kck_publish_update_%'") == [
        (0,)
    ]


def test_what_went_by_before_a_trigger_was_there_is_caught_up(log: type[Log]) -> None:
    execute(f"DROP TRIGGER {name_of('update')} ON capture_app_book")
    install.install("default", registry.sources())
    assert log.ops() == []  # nobody has stored anything that could be stale
    execute(
        "INSERT INTO kck_publish_shard (shard, shards, claimed, done, cluster) "
        "VALUES (0, 1, pg_current_snapshot(), pg_current_snapshot(), 'c')"
    )
    install.install("default", registry.sources())
    assert log.ops() == []
    execute(f"DROP TRIGGER {name_of('update')} ON capture_app_book")
    install.install("default", registry.sources())
    assert log.take("capture_app_book") == [("truncate", None, None)]


def test_databases_that_are_not_ours_are_left_alone(log: type[Log]) -> None:
    install.remove("default")
    with patch(
        "kck_publish.capture.install.router.allow_migrate_model", lambda using, model: False
    ):
        assert install.faults("default", registry.sources()) == []
        assert install.install("default", registry.sources()) == []
    execute("ALTER TABLE kck_publish_change RENAME TO not_migrated_yet")
    assert install.faults("default", registry.sources()) == []
    assert install.install("default", registry.sources()) == []
    call_command("pgtrigger", "install")
    assert execute(OURS) == [(0,)]
    execute("ALTER TABLE not_migrated_yet RENAME TO kck_publish_change")
    with patch.object(connections["default"], "vendor", "sqlite"):
        assert install.faults("default", registry.sources()) == []
        assert install.install("default", registry.sources()) == []


def test_a_missing_table_or_column_and_a_view(log: type[Log]) -> None:
    class Ghost(models.Model):
        gone = models.IntegerField()

        class Meta:
            app_label = "capture_app"
            managed = False
            db_table = "ghost"

    try:
        with declared(BOOK, source(Ghost, "gone")):
            assert problems() == []
            assert install.install("default", registry.sources()) == []
            if connection.features.supports_virtual_generated_columns:
                execute("CREATE TABLE ghost (id int, gone int GENERATED ALWAYS AS (id) VIRTUAL)")
                assert install.install("default", registry.sources()) == []
                execute("DROP TABLE ghost")
            execute("CREATE TABLE ghost (id int)")
            assert problems() == ["missing"] * 4
            assert install.install("default", registry.sources()) == []
            call_command("pgtrigger", "install")
            execute("INSERT INTO ghost VALUES (1); DROP TABLE ghost")
            execute("CREATE VIEW ghost AS SELECT 1 AS id, 2 AS gone")
            assert install.install("default", registry.sources()) == []
            assert "only tables can be captured" in str(
                install.faults("default", registry.sources())[0]
            )
            execute(
                "DROP VIEW ghost; CREATE FOREIGN DATA WRAPPER far; "
                "CREATE SERVER far FOREIGN DATA WRAPPER far"
            )
            execute("CREATE FOREIGN TABLE ghost (id int, gone int) SERVER far")
            assert install.install("default", registry.sources()) == []
            faults = list(map(str, install.faults("default", registry.sources())))
            assert len(faults) == 4
            assert all("`migrate` cannot help" in fault for fault in faults)
    finally:
        del apps.all_models["capture_app"]["ghost"]
        apps.clear_cache()


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_several_may_install_at_once() -> None:
    """As listeners do that start together."""

    def one() -> None:
        try:
            together.wait()
            lines = install.install("default", registry.sources())
            done.append(sum(line.startswith("installed") for line in lines))
        finally:
            connections.close_all()

    with declared(BOOK):
        done: list[int] = []
        together = threading.Barrier(4)
        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(done) == [0, 0, 0, 4]
        assert problems() == []
        install.remove("default")


@pytest.fixture
def moving(transactional_db: None) -> Iterator[None]:
    """The parcels' table as its first migration left it; as the last one does, afterwards."""
    migrate.connect(apps.get_app_config("kck_publish"), lambda: registry.sources())
    with declared():
        call_command("migrate", "capture_moving", "0001", verbosity=0)
    execute("DELETE FROM capture_moving_parcel")  # what the data migration left
    yield
    with declared():
        call_command("migrate", "capture_moving", verbosity=0)
        install.remove("default")


@pytest.mark.long
def test_a_data_migration_after_a_column_is_gone(moving: None) -> None:
    """RemoveField, RenameField and then a write, in one migrate run; and back again."""
    old = Source((Parcel,), ("id", "name", "colour"), ("name", "colour"))
    new = source(Parcel, "label")
    with declared(old):
        done = install.install("default", registry.sources())
        assert sum(line.startswith("installed") for line in done) == 4
        execute("INSERT INTO capture_moving_parcel (name, colour, weight) VALUES ('a', 'red', 1)")
        assert Log.ops("capture_moving_parcel") == ["insert"]
        with declared(new):
            assert problems()[0] == "missing" or "no stored column label" in str(
                install.faults("default", registry.sources())[0]
            )
            call_command("migrate", "capture_moving", verbosity=0)
            assert problems() == []
            assert Log.ops("capture_moving_parcel") == ["truncate"]  # the data migration's row
            Parcel.objects.update(label="b")
            assert Log.ops("capture_moving_parcel") == ["update", "update"]
        with declared(new):
            call_command("migrate", "capture_moving", "0001", verbosity=0)
            execute("UPDATE capture_moving_parcel SET name = 'c'")  # code of 0002, tables of 0001
            assert "truncate" in Log.ops("capture_moving_parcel")
            assert "(the table has no stored column label): " in str(
                install.faults("default", registry.sources())[0]
            )


@pytest.mark.long
def test_a_migrate_that_failed_leaves_a_capture_that_works_and_is_found(moving: None) -> None:
    old = Source((Parcel,), ("id", "name", "colour"), ("name", "colour"))
    with declared(old):
        install.install("default", registry.sources())
        with (
            patch(
                "django.db.migrations.executor.MigrationExecutor.migrate",
                side_effect=InterruptedError,
            ),
            pytest.raises(InterruptedError),
        ):
            call_command("migrate", "capture_moving", verbosity=0)
        assert problems() == ["outdated"] * 3
        assert "have changed since it was installed" in str(
            install.faults("default", registry.sources())[0]
        )
        Log.clear()
        execute("INSERT INTO capture_moving_parcel (name, colour, weight) VALUES ('a', 'red', 1)")
        execute("UPDATE capture_moving_parcel SET weight = 1 WHERE false")
        assert Log.ops() == ["truncate"]
        assert len(install.install("default", registry.sources())) == 3
        assert problems() == []


@pytest.mark.long
def test_only_the_tables_of_the_plan_become_coarse(moving: None) -> None:
    with declared(BOOK, Source((Parcel,), ("id", "name"), ("name",))):
        install.install("default", registry.sources())
        with patch("kck_publish.capture.install.install"):
            call_command("migrate", "capture_moving", verbosity=0)
        assert {one.table for one in catalog.installed(connection) if one.hash == "coarse"} == {
            "capture_moving_parcel"
        }


@pytest.mark.long
def test_the_triggers_go_before_our_tables_do(moving: None) -> None:
    out = io.StringIO()
    with declared(BOOK):
        install.install("default", registry.sources())
        try:
            call_command("migrate", "kck_publish", "zero", verbosity=0, stdout=out)
            assert execute(OURS) == [(0,)]
            Author.objects.create(name="Ada").book_set.create(title="still writable")
        finally:
            call_command("migrate", "kck_publish", verbosity=0, stdout=out)
        assert problems() == []
        assert execute(OURS) == [(4,)]


def test_constraints_without_uris_concern_the_projects_triggers(transactional_db: None) -> None:
    """Ours are in pgtrigger's registry, and cannot be deferred (D9)."""
    trigger = pgtrigger.Trigger(
        name="deferred",
        level=pgtrigger.Row,
        when=pgtrigger.After,
        operation=pgtrigger.Update,
        timing=pgtrigger.Deferred,
        func="RETURN NULL;",
    )
    ours = f"{Item._meta.label}:kck_publish_update"
    model: Any = Item  # pgtrigger's annotations mean the class, and say Model
    with trigger.register(model):
        trigger.install(model)
        try:
            with transaction.atomic():
                pgtrigger.constraints(pgtrigger.Immediate)
                pgtrigger.constraints(pgtrigger.Deferred, f"{Item._meta.label}:deferred")
            with pytest.raises(ValueError, match="not deferrable"), transaction.atomic():
                pgtrigger.constraints(pgtrigger.Immediate, ours)
        finally:
            trigger.uninstall(model)
    assert ours in {each.get_uri(model) for model, each in pgtrigger.registered()}
