"""Tables that are changed by whoever may, and not by ``migrate`` only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, models, transaction

from kck_publish.capture import install, record_change_sql, trigger_function_sql
from kck_publish.capture.source import Source, wrote_setting
from kck_publish.products import registry
from kck_publish.rows.field_values import describe
from tests.capture_app.capturing import Log, capturing, declared, execute, source
from tests.capture_app.models import Author, Book, Reading

pytestmark = [pytest.mark.django_db, pytest.mark.long]
BOOK = source(Book, "author_id", "title")
# Somebody may have stored something.
STARTED = (
    "INSERT INTO kck_publish_shard (shard, shards, claimed, done, cluster) "
    "VALUES (0, 1, pg_current_snapshot(), pg_current_snapshot(), 'c')"
)
RENAMES = {
    "renamed": "ALTER TABLE capture_app_book RENAME COLUMN title TO heading",
    "dropped": "ALTER TABLE capture_app_book DROP COLUMN title",
    "only watched": "ALTER TABLE capture_app_book RENAME COLUMN pages TO leaves",
}


def a_book() -> None:
    Author.objects.create(name="Ada").book_set.create(title="One")
    execute("SET CONSTRAINTS ALL IMMEDIATE")


def problems() -> list[str]:
    return [str(fault) for fault in install.faults("default", registry.sources())]


def listener_looks() -> None:
    install.install("default", registry.sources(), only_missing=True)


def migrate_ends() -> None:
    install.install("default", registry.sources())


@pytest.mark.parametrize("looks", [listener_looks, migrate_ends])
@pytest.mark.parametrize("how", RENAMES)
def test_a_column_that_goes_outside_of_migrate(how: str, looks: Callable[[], None]) -> None:
    """Writes fail until somebody looks, and are captured from then on (B9)."""
    a_book()
    book = Source((Book,), BOOK.captured, ("title", "pages"))
    write = "UPDATE capture_app_book SET author_id = author_id"
    with capturing(book):
        execute(RENAMES[how])
        with pytest.raises(ProgrammingError) as failed, transaction.atomic():
            execute(write)
        assert failed.value.__cause__ is not None
        assert "`manage.py migrate` does at once" in failed.value.__cause__.__notes__[0]
        looks()
        execute(write)
        execute("DELETE FROM capture_app_book WHERE false")
        assert Log.ops() == ["truncate"]
        assert "Give the model the columns that the table has" in problems()[-1]
        looks()
        assert Log.ops() == []


def test_the_columns_of_other_code_that_go() -> None:
    """What the installed function names counts, not what the looking code wants (B9)."""
    with capturing(BOOK):
        execute(RENAMES["renamed"])
        with declared(source(Book, "author_id")):
            listener_looks()
            execute("UPDATE capture_app_book SET pages = 1")


def test_the_model_is_made_to_fit() -> None:
    """With the columns that there are, ``migrate`` puts the precise form back (B9)."""
    a_book()
    with capturing(BOOK):
        execute(RENAMES["renamed"])
        listener_looks()
        with declared(source(Book, "author_id")):
            migrate_ends()
            assert problems() == []
            execute("DELETE FROM capture_app_book")
            assert Log.ops() == ["delete"]


@pytest.fixture
def books() -> Iterator[None]:
    """A captured table with a row, and somebody who may have stored something of it."""
    a_book()
    execute(STARTED)
    with capturing(BOOK):
        migrate_ends()
        Log.clear()
        yield


def trigger(command: str) -> str:
    return f"ALTER TABLE capture_app_book {command}"


UNSEEN = {
    "USING": trigger("ALTER COLUMN title TYPE varchar(60) USING title || title"),
    "all triggers off and on": f"{trigger('DISABLE TRIGGER ALL')}; {trigger('ENABLE TRIGGER ALL')}",
    "for ordinary sessions only": trigger("ENABLE TRIGGER USER"),
    "disabled and as before": "".join(
        f"{trigger(f'{how} TRIGGER {trigger_function_sql.trigger_name(op, Book._meta.db_table)}')};"
        for how in ("DISABLE", "ENABLE ALWAYS")
        for op in record_change_sql.OPS
    ),
    "a column made anew": f"{trigger('DROP COLUMN title')}; "
    f"{trigger('ADD COLUMN title varchar(50) DEFAULT 1')}",
    "another table of the name": "CREATE TABLE other (LIKE capture_app_book INCLUDING ALL);"
    "INSERT INTO other (id, title, pages, author_id) VALUES (7, 'Other', 1, 1);"
    "ALTER TABLE capture_app_book RENAME TO gone;"
    "ALTER TABLE other RENAME TO capture_app_book",
    "functions dropped": "".join(
        f"DROP FUNCTION {trigger_function_sql.trigger_name(op, Book._meta.db_table)} CASCADE;"
        for op in record_change_sql.OPS
    ),
    "rows that are inherited": "CREATE TABLE more (LIKE capture_app_book INCLUDING ALL);"
    "INSERT INTO more (id, title, pages, author_id) VALUES (7, 'More', 1, 1);"
    "ALTER TABLE more INHERIT capture_app_book",
    "another expression": f"{trigger('DROP COLUMN title')}; "
    f"{trigger('ADD COLUMN title text GENERATED ALWAYS AS (pages::text) STORED')}",
}


@pytest.mark.parametrize("looks", [listener_looks, migrate_ends])
@pytest.mark.parametrize("how", UNSEEN)
def test_what_no_trigger_saw_is_announced(books: None, how: str, looks: Callable[[], None]) -> None:
    """A table rewritten, or written while its triggers were disabled: once, and whole (B7, B8)."""
    looks()
    assert Log.ops() == []
    execute(UNSEEN[how])
    looks()
    assert set(Log.ops()) == {"truncate"}
    looks()
    assert Log.ops() == []


# A type of a column, and what makes it of the title.
MADE_OF_MOOD = {
    "enum": ("SELECT", "mood", "title::mood"),
    "array": ("SELECT", "mood[]", "ARRAY[title::mood]"),
    "domain": ("CREATE DOMAIN outer_type AS mood", "outer_type", "title::mood"),
    "composite": (
        "CREATE DOMAIN moods AS mood[]; CREATE TYPE outer_type AS (n int, m moods)",
        "outer_type",
        "ROW(1, ARRAY[title::mood])::outer_type",
    ),
    "range": (
        "CREATE TYPE outer_type AS RANGE (subtype = mood)",
        "outer_type",
        "outer_type(title::mood, NULL)",
    ),
}


@pytest.mark.parametrize("made_of", MADE_OF_MOOD.values(), ids=MADE_OF_MOOD)
@pytest.mark.parametrize("looks", [listener_looks, migrate_ends])
def test_a_label_of_an_enum_is_renamed(
    looks: Callable[[], None], made_of: tuple[str, str, str]
) -> None:
    """No row is rewritten, and each says something else (B7); a new label changes none."""
    make, kind, value = made_of
    a_book()
    execute("CREATE TYPE mood AS ENUM ('One', 'Two')")
    execute(make)
    execute(trigger(f"ALTER COLUMN title TYPE {kind} USING {value}"))
    execute(STARTED)
    with capturing(BOOK):
        looks()
        Log.clear()
        execute("ALTER TYPE mood ADD VALUE 'Three'")
        looks()
        assert Log.ops() == []
        execute("ALTER TYPE mood RENAME VALUE 'One' TO 'Eins'")
        looks()
        assert Log.ops() == ["truncate"]
        looks()
        assert Log.ops() == []


@pytest.mark.parametrize("looks", [listener_looks, migrate_ends])
def test_a_child_that_inherits_no_more(books: None, looks: Callable[[], None]) -> None:
    """As of a partition: its writes count while it is one, and not after (B10)."""
    execute("CREATE TABLE more () INHERITS (capture_app_book)")
    looks()
    Log.clear()
    execute("INSERT INTO more (id, title, pages, author_id) VALUES (7, 'More', 1, 1)")
    execute("UPDATE capture_app_book SET title = 'x'")
    assert Log.ops() == ["insert", "update", "update"]
    execute("ALTER TABLE more NO INHERIT capture_app_book; UPDATE more SET title = 'y'")
    assert Log.ops() == []
    looks()
    assert Log.ops() == ["truncate"]
    assert execute("SELECT FROM pg_trigger WHERE tgrelid = 'more'::regclass") == []


def test_what_is_disabled_stays_so_until_somebody_enables_it(books: None) -> None:
    """A listener does not undo what the operator did, and announces it when it is undone (B8)."""
    call_command("pgtrigger", "disable")
    listener_looks()
    assert [line for line in problems() if "is disabled" in line] == problems() != []
    Log.clear()
    listener_looks()
    assert Log.ops() == []
    call_command("pgtrigger", "enable")
    assert set(Log.ops("capture_app_book")) == {"truncate"}
    listener_looks()
    assert Log.ops() == []


@pytest.mark.parametrize(
    ("command", "cure"),
    [("disable", "enable"), ("disable", "install"), ("uninstall", "install")],
)
def test_the_cure_that_our_own_text_names(books: None, command: str, cure: str) -> None:
    """What was written between the two is announced by the second, without a listener (B8)."""
    call_command("pgtrigger", command)
    execute("UPDATE capture_app_book SET title = 'unseen'")
    assert Log.ops() == []
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    call_command("pgtrigger", cure)
    assert "truncate" in Log.ops("capture_app_book")
    call_command("pgtrigger", cure)
    assert Log.ops() == []
    assert set(own_writes()) == {wrote_setting("capture_app_book")}


def own_writes() -> list[str]:
    """The tables that this session knows to have written itself."""
    names = [wrote_setting(table) for table in ("capture_app_book", "capture_app_author")]
    return [name for name in names if execute("SELECT current_setting(%s, true)", name)[0][0]]


@pytest.mark.parametrize(
    "change",
    [
        trigger("ADD COLUMN more int DEFAULT 7"),
        trigger("ALTER COLUMN pages TYPE bigint"),
        trigger("SET (fillfactor = 90)"),
        "ANALYZE capture_app_book",
        "CREATE INDEX another ON capture_app_book (pages)",
    ],
)
def test_what_changes_nothing_that_counts(books: None, change: str) -> None:
    """No priming of everything for each migration that adds a column (B7)."""
    execute(change)
    listener_looks()
    assert Log.ops() == (["truncate"] if "TYPE" in change else [])  # it is written anew


def test_an_expression_is_part_of_the_fingerprint() -> None:
    """Of a row that holds a generated column (B7)."""
    fields = [
        models.GeneratedField(
            expression=models.F("price") * factor,
            output_field=models.IntegerField(),
            db_persist=True,
        )
        for factor in (2, 3, 3)
    ]
    first, second, again = map(describe, fields)
    assert first != second == again


PARTITIONED = (
    "CREATE TABLE capture_app_reading (day int, id int, value int, PRIMARY KEY (day, id))"
    " PARTITION BY RANGE (day);"
    "CREATE TABLE r1 PARTITION OF capture_app_reading FOR VALUES FROM (0) TO (10);"
    "CREATE TABLE r2 PARTITION OF capture_app_reading FOR VALUES FROM (10) TO (20);"
    "INSERT INTO capture_app_reading VALUES (1, 1, 1), (11, 1, 1);"
    "CREATE TABLE r3 (LIKE capture_app_reading INCLUDING ALL); INSERT INTO r3 VALUES (21, 1, 1)"
)
DETACH = "ALTER TABLE capture_app_reading DETACH PARTITION r1"
ATTACH = "ALTER TABLE capture_app_reading ATTACH PARTITION r3 FOR VALUES FROM (20) TO (30)"
EMPTY = "CREATE TABLE r4 PARTITION OF capture_app_reading FOR VALUES FROM (30) TO (40)"


@pytest.fixture
def partitions() -> Iterator[None]:
    """A partitioned table with rows, and one that could be a partition."""
    execute(PARTITIONED)
    execute(STARTED)
    with capturing(source(Reading, "value")):
        yield


@pytest.mark.parametrize("looks", [listener_looks, migrate_ends])
def test_a_detached_partition_is_none_of_ours(partitions: None, looks: Callable[[], None]) -> None:
    """Its writes are ignored at once, the look announces, and the triggers go (B10)."""
    execute(DETACH)
    execute("UPDATE r1 SET value = 2; DELETE FROM r1; TRUNCATE r1")
    assert Log.ops() == []
    execute("UPDATE r2 SET value = 2; UPDATE capture_app_reading SET value = 3")
    assert Log.ops() == ["update", "update"]
    looks()
    assert Log.ops() == ["truncate"]
    assert execute("SELECT FROM pg_trigger WHERE tgrelid = 'r1'::regclass") == []
    looks()
    assert Log.ops() == []


@pytest.mark.parametrize(
    ("change", "expected"), [(ATTACH, ["truncate"]), ("DROP TABLE r1", ["truncate"]), (EMPTY, [])]
)
def test_a_partition_comes_or_goes(partitions: None, change: str, expected: list[str]) -> None:
    """What comes with rows, or goes, is announced; one that is made is empty (B10)."""
    execute(change)
    listener_looks()
    assert Log.ops() == expected
    assert problems() == []
    listener_looks()
    assert Log.ops() == []


def test_a_change_is_announced_by_hand(partitions: None) -> None:
    """In the transaction of the change, and for the session's own reads (B10)."""
    execute(f"{ATTACH}; SELECT kck_publish_changed_v1('capture_app_reading')")
    assert Log.ops() == ["truncate"]
    name = wrote_setting("capture_app_reading")
    assert execute("SELECT current_setting(%s)", name)[0][0]


def test_a_table_that_is_renamed_goes_on_being_captured(books: None) -> None:
    """Until somebody looks: the name tells a detached partition from the source's table (B10)."""
    execute("ALTER TABLE capture_app_book RENAME TO renamed; UPDATE renamed SET title = 'x'")
    assert Log.ops() == ["update"]
