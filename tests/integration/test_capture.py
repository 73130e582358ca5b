"""Promise 1: every committed write counts, by whatever road, and no other does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pgtrigger
import psycopg
import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.core.checks import run_checks
from django.db import connection, models, transaction
from django.db.models import F
from psycopg.conninfo import make_conninfo

import kck_publish.checks  # noqa: F401  (registers them)
from kck_publish.capture.source import wrote_setting
from kck_publish.following.ear import CHANNEL
from tests.capture_app.capturing import Log, capturing, execute, source
from tests.capture_app.models import (
    Author,
    Book,
    Elsewhere,
    Odd,
    Place,
    Reading,
    Restaurant,
    Seat,
    Shape,
    Tag,
)

BOOK = "capture_app_book"
TAGS = "capture_app_book_tags"


@pytest.fixture
def log(db: None) -> Iterator[type[Log]]:
    """The log of the ordinary sources."""
    with capturing(
        source(Author, "rating"),
        source(Book, "author_id", "title"),
        source(Book.tags.through, "book_id", "tag_id"),
        source(Place, "name"),
        source(Restaurant, "stars"),
        source(Seat, "guest"),
        source(User, "username"),
        source(User.groups.through, "user_id", "group_id"),
        source(Odd, "Odd 'Title", whole=True),
    ) as log:
        yield log


@pytest.fixture
def author(log: type[Log]) -> Author:
    author = Author.objects.create(name="Ada")
    log.clear()
    return author


@pytest.fixture
def book(log: type[Log], author: Author) -> Book:
    book = Book.objects.create(author=author, title="One")
    log.clear()
    return book


class RollBack(Exception):  # noqa: N818
    """Raised to leave a block of ``transaction.atomic`` without its writes."""


@contextmanager
def rolled_back() -> Iterator[None]:
    with suppress(RollBack), transaction.atomic():
        yield
        raise RollBack


def image(book: Book, title: str) -> dict[str, str]:
    return {"id": str(book.pk), "author_id": str(book.author_id), "title": title}


def test_save_and_delete(log: type[Log], author: Author) -> None:
    book = Book.objects.create(author=author, title="One")
    first = image(book, "One")
    book.title = "Two"
    book.save()
    second = image(book, "Two")
    book.delete()
    assert log.take() == [
        ("insert", None, first),
        ("update", first, second),
        ("delete", second, None),
    ]


def test_bulk_methods(log: type[Log], author: Author) -> None:
    books = Book.objects.bulk_create(Book(author=author, title=f"{n}") for n in range(3))
    assert log.ops() == ["insert"] * 3
    for book in books:
        book.title += "!"
    Book.objects.bulk_update(books, ["title"])
    assert [(op, new and new["title"]) for op, _, new in log.take()] == [
        ("update", "0!"),
        ("update", "1!"),
        ("update", "2!"),
    ]


def test_querysets(log: type[Log], author: Author) -> None:
    Book.objects.bulk_create(Book(author=author, title=f"{n}") for n in range(3))
    log.clear()
    Book.objects.filter(title__lt="2").update(title="x")
    assert log.ops() == ["update"] * 2
    Book.objects.filter(title="x").delete()
    assert log.ops(BOOK) == ["delete"] * 2


def test_cascades_by_django_and_by_the_database(log: type[Log], author: Author) -> None:
    Book.objects.bulk_create(Book(author=author, title=f"{n}") for n in range(3))
    log.clear()
    author.delete()
    assert sorted(log.ops()) == ["delete"] * 4
    execute(
        "SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE capture_app_book ADD FOREIGN KEY (author_id)"
        " REFERENCES capture_app_author ON DELETE CASCADE; SET CONSTRAINTS ALL DEFERRED"
    )
    other = Author.objects.create(name="Bob")
    Book.objects.bulk_create(Book(author=other, title=f"{n}") for n in range(3))
    log.clear()
    execute("DELETE FROM capture_app_author WHERE id = %s", other.pk)
    assert sorted(log.ops()) == ["delete"] * 4


def test_many_to_many(log: type[Log], book: Book) -> None:
    one, two = Tag.objects.create(name="1"), Tag.objects.create(name="2")
    book.tags.add(one, two)
    assert [new and new["tag_id"] for _, _, new in log.take(TAGS)] == [str(one.pk), str(two.pk)]
    book.tags.remove(one)
    assert [old and old["tag_id"] for _, old, _ in log.take(TAGS)] == [str(one.pk)]
    book.tags.clear()
    assert log.ops(TAGS) == ["delete"]


def test_copy(log: type[Log], author: Author) -> None:
    with connection.cursor() as cursor:
        command = "COPY capture_app_book (author_id, title, pages) FROM STDIN"
        with cursor.copy(command) as copy:
            copy.write_row((author.pk, "copied", 1))
            copy.write_row((author.pk, "copied too", 1))
    assert log.ops() == ["insert", "insert"]


def test_merge(log: type[Log], book: Book) -> None:
    execute(
        "MERGE INTO capture_app_book b USING (VALUES ('One', 7), ('Two', 0)) v (title, p) "
        "ON b.title = v.title WHEN MATCHED THEN UPDATE SET title = 'Merged' "
        "WHEN NOT MATCHED THEN INSERT (author_id, title, pages) VALUES (%s, v.title, v.p)",
        book.author_id,
    )
    assert sorted(log.ops()) == ["insert", "update"]


def test_upsert(log: type[Log], author: Author) -> None:
    query = (
        "INSERT INTO capture_app_author (name, rating) VALUES ('Ada', %s), ('New', 0) "
        "ON CONFLICT (name) DO UPDATE SET rating = EXCLUDED.rating"
    )
    execute(query, 5)
    assert sorted(log.ops()) == ["insert", "update"]
    execute(query, 5)
    assert log.ops() == []


def test_truncate(log: type[Log], book: Book) -> None:
    execute("SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE capture_app_book CASCADE")
    assert sorted(log.take()) == [("truncate", None, None)] * 2  # and its m2m table


def test_raw_sql_and_a_changed_primary_key(log: type[Log], book: Book) -> None:
    execute("UPDATE capture_app_book SET id = id + 1000, title = 'Moved'")
    old, new = image(book, "One"), image(Book(pk=book.pk + 1000, author=book.author), "Moved")
    assert sorted(log.take(), key=lambda row: row[0]) == [
        ("delete", old, None),
        ("insert", None, new),
    ]


def test_the_parent_row_of_a_child(log: type[Log]) -> None:
    diner = Restaurant.objects.create(name="Diner", stars=1)
    assert log.ops() == ["insert", "insert"]
    Restaurant.objects.filter(pk=diner.pk).update(name="Bistro")
    assert log.take() == [
        ("update", {"id": str(diner.pk), "name": "Diner"}, {"id": str(diner.pk), "name": "Bistro"})
    ]
    diner.delete()
    assert log.ops() == ["delete", "delete"]


def test_a_composite_primary_key(log: type[Log]) -> None:
    Seat.objects.create(row="A", number=1)
    Seat.objects.create(row="A", number=2)
    Seat.objects.filter(number=2).update(guest="Eve")
    execute("UPDATE capture_app_seat SET number = 3 WHERE number = 1")
    a1, a2 = {"row": "A", "number": "1", "guest": ""}, {"row": "A", "number": "2", "guest": ""}
    rows = log.take()
    assert rows[:3] == [
        ("insert", None, a1),
        ("insert", None, a2),
        ("update", a2, {**a2, "guest": "Eve"}),
    ]
    assert sorted(rows[3:], key=lambda row: row[0]) == [
        ("delete", a1, None),
        ("insert", None, {**a1, "number": "3"}),
    ]


def test_somebody_elses_model(log: type[Log]) -> None:
    user = User.objects.create(username="ada")
    user.groups.add(Group.objects.create(name="staff"))
    User.objects.update(last_name="not watched")
    assert log.ops() == ["insert", "insert"]


def test_quoted_names(log: type[Log]) -> None:
    Odd.objects.create(title="a")
    Odd.objects.update(title="b")
    assert [(op, new and new["Odd 'Title"]) for op, _, new in log.take("Odd 'Table")] == [
        ("insert", "a"),
        ("update", "b"),
    ]


def test_another_schema(db: None) -> None:
    execute(
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.thing (id serial primary key, name text)"
    )
    with capturing(source(Elsewhere, "name")) as log:
        Elsewhere.objects.create(name="far")
        assert log.take('elsewhere"."thing') == [("insert", None, {"id": "1", "name": "far"})]


def test_types_without_equality_and_settings_of_the_session(db: None) -> None:
    columns = ("spot", "data", "when", "how_long", "ratio", "raw", "price")
    for whole in (True, False):
        with capturing(source(Shape, *columns, whole=whole)) as log:
            execute(
                "SET LOCAL datestyle = 'German'; SET LOCAL timezone = 'Asia/Tokyo';"
                "SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL extra_float_digits = -10;"
                "SET LOCAL bytea_output = 'escape';"
                'INSERT INTO capture_app_shape (spot, data, "when", how_long, ratio, raw, price)'
                " VALUES ('(1,2)', '{\"a\": 1}', '2013-01-31 12:00+00', '1 day 2 hours',"
                " 0.1::float8 + 0.2, 'x', 1.0)"
            )
            ((_, _, new),) = log.take()
            assert new is not None
            assert [new[name] for name in columns] == [
                "(1,2)",
                '{"a": 1}',
                "2013-01-31 12:00:00+00",
                "1 day 02:00:00",
                "0.30000000000000004",
                "\\x78",
                "1.0",
            ]
            execute("UPDATE capture_app_shape SET spot = spot, data = data")
            assert log.ops() == []
            execute("UPDATE capture_app_shape SET data = '{\"a\": 2}'")
            execute("UPDATE capture_app_shape SET price = 1.00")  # equal, and another text
            execute("UPDATE capture_app_shape SET spot = NULL")
            assert log.ops() == ["update"] * 3
            Shape.objects.all().delete()


def reading(day: int, id: int, value: int) -> dict[str, str]:
    return {"day": str(day), "id": str(id), "value": str(value)}


def test_partitions_and_rows_that_move_between_them(db: None) -> None:
    execute(
        "CREATE TABLE capture_app_reading (day int, id int, value int, PRIMARY KEY (day, id))"
        " PARTITION BY RANGE (day);"
        "CREATE TABLE r1 PARTITION OF capture_app_reading FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE r2 PARTITION OF capture_app_reading FOR VALUES FROM (10) TO (20)"
        " PARTITION BY RANGE (day);"
        "CREATE TABLE r2a (value int, id int NOT NULL, gone int, day int NOT NULL);"
        "ALTER TABLE r2a DROP gone;"
        "ALTER TABLE r2 ATTACH PARTITION r2a FOR VALUES FROM (10) TO (20)"
    )
    with capturing(source(Reading, "value")) as log:
        execute("INSERT INTO capture_app_reading VALUES (1, 1, 1), (11, 2, 2)")
        assert log.ops("capture_app_reading") == ["insert", "insert"]
        execute("UPDATE r2a SET value = 3; INSERT INTO r2 VALUES (12, 3, 3); DELETE FROM r1")
        assert log.take("capture_app_reading") == [
            ("update", reading(11, 2, 2), reading(11, 2, 3)),
            ("insert", None, reading(12, 3, 3)),
            ("delete", reading(1, 1, 1), None),
        ]
        execute("UPDATE capture_app_reading SET day = 2 WHERE day = 11")
        assert sorted(log.ops()) == ["delete", "insert"]
        execute("TRUNCATE r2a")
        assert log.ops("capture_app_reading") == ["truncate"]


MOVE = """
MERGE INTO capture_app_reading r USING (VALUES (1), (2)) v (id) ON r.id = v.id
WHEN MATCHED AND r.id = 1 THEN UPDATE SET day = 11 WHEN MATCHED THEN UPDATE SET value = 9
"""


# An old one, with which a backslash in a string escapes what follows.
SETTING = "SET LOCAL standard_conforming_strings = off"


@pytest.mark.parametrize("how", ["statement", "function", "block"])
def test_a_row_that_merge_moves_to_another_partition(db: None, how: str) -> None:
    """PostgreSQL gives it to no transition table of a trigger that fires."""
    execute(
        "CREATE TABLE capture_app_reading (day int, id int, value int, PRIMARY KEY (day, id))"
        " PARTITION BY RANGE (day);"
        "CREATE TABLE r1 PARTITION OF capture_app_reading FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE r2 PARTITION OF capture_app_reading FOR VALUES FROM (10) TO (20)"
    )
    block = f"$$ BEGIN {MOVE}; END $$"
    execute(f"CREATE FUNCTION move() RETURNS void LANGUAGE plpgsql AS {block}")
    moves = {"statement": MOVE, "function": "SELECT move()", "block": f"DO {block}"}
    with capturing(source(Reading, "value")) as log:
        execute("INSERT INTO capture_app_reading VALUES (1, 1, 1), (2, 2, 2)")
        log.clear()
        execute(SETTING)
        execute(moves[how])
        assert log.ops() == ["update", "truncate"]
        execute("UPDATE capture_app_reading SET value = 5 /* merge */")
        assert log.ops() == ["update", "update"]
        execute("MERGE INTO r1 USING (VALUES (2)) v (n) ON id = n WHEN MATCHED THEN DELETE")
        assert log.ops() == ["delete"]


def test_nothing_is_logged_when_nothing_that_is_watched_changed(log: type[Log], book: Book) -> None:
    Book.objects.update(pages=F("pages") + 1)
    Book.objects.update(title=F("title"))
    Book.objects.filter(pk=0).update(title="nobody")
    Book.objects.filter(pk=0).delete()
    execute("INSERT INTO capture_app_book SELECT * FROM capture_app_book WHERE false")
    assert log.take() == []


def test_what_is_rolled_back_does_not_count(log: type[Log], book: Book) -> None:
    setting = f"SELECT current_setting('{wrote_setting(BOOK)}', true)"
    before = execute(setting)
    with transaction.atomic():
        book.title = "Kept"
        book.save()
        kept = execute(setting)
        with rolled_back():
            Author.objects.create(name="lost")
            Book.objects.update(title="lost")
        assert execute(setting) == kept
    assert kept == execute("SELECT pg_current_xact_id()::text")
    assert [new and new.get("title") for _, _, new in log.take()] == ["Kept"]
    assert execute(f"SELECT current_setting('{wrote_setting('capture_app_place')}', true)")[0][
        0
    ] in (None, "")
    assert before in ([(None,)], kept)


def test_a_rollback_to_a_savepoint_forgets_who_wrote(log: type[Log], author: Author) -> None:
    setting = f"SELECT current_setting('{wrote_setting(TAGS)}', true)"
    before = execute(setting)
    book = Book.objects.create(author=author, title="One")
    tag = Tag.objects.create(name="t")
    with rolled_back():
        book.tags.add(tag)
        assert execute(setting) == execute("SELECT pg_current_xact_id()::text")
    assert execute(setting)[0][0] in (before[0][0], "")
    assert TAGS not in [row[0] for row in execute("SELECT source FROM kck_publish_change")]


def test_suppress_and_origin(log: type[Log], book: Book) -> None:
    for value, logged in ((f"|x|{BOOK}|", 0), ("*", 0), (f"|{BOOK}s|", 1), ("", 1)):
        execute("SELECT set_config('kck_publish.suppress', %s, true)", value)
        Book.objects.update(title=f"with {value}")
        assert len(log.take()) == logged, value
    for origin in ("import", ""):
        execute("SELECT set_config('kck_publish.origin', %s, true)", origin)
        Book.objects.update(title=f"by {origin}")
    assert execute("SELECT origin FROM kck_publish_change ORDER BY seq") == [("import",), (None,)]


def test_replicas_are_captured(log: type[Log], book: Book) -> None:
    execute("SET LOCAL session_replication_role = replica")
    Book.objects.update(title="replicated")
    assert log.ops() == ["update"]


def test_pgtrigger_ignore_does_not_silence_the_capture(log: type[Log], book: Book) -> None:
    with pgtrigger.ignore():
        Book.objects.update(title="ignored by others")
    assert log.ops() == ["update"]


def test_a_role_without_rights_on_our_tables_can_write(log: type[Log], book: Book) -> None:
    execute("CREATE ROLE kck_other; GRANT UPDATE, SELECT ON capture_app_book TO kck_other")
    execute("SET LOCAL ROLE kck_other")
    Book.objects.update(title="by another")
    execute("RESET ROLE")
    assert log.ops() == ["update"]
    assert execute(
        "SELECT count(*) FROM pg_proc WHERE proname LIKE 'kck_publish_update_%'"
        " AND has_function_privilege('kck_other', oid, 'EXECUTE')"
    ) == [(0,)]


def test_a_virtual_generated_column_is_watched_by_what_it_is_made_of(db: None) -> None:
    """No trigger can read it: one that tried would fail the write. The check says so."""
    if not connection.features.supports_virtual_generated_columns:
        pytest.skip("this Django or PostgreSQL has none")

    class Virtual(models.Model):
        half = models.IntegerField()
        double = models.GeneratedField(
            expression=F("half") * 2, output_field=models.IntegerField(), db_persist=False
        )

        class Meta:
            app_label = "capture_app"
            db_table = "virtual"

    try:
        with connection.schema_editor() as editor:
            editor.create_model(Virtual)
        with capturing(source(Virtual, "double")) as log:
            execute("INSERT INTO virtual (half) VALUES (1); UPDATE virtual SET half = 2")
            assert log.ops() == ["insert", "update"]
            (error,) = [one for one in run_checks() if one.id == "kck_publish.E004"]
            assert "virtual.double" in error.msg
    finally:
        del apps.all_models["capture_app"]["virtual"]
        apps.clear_cache()


def test_a_temporary_table_catches_nothing(log: type[Log], book: Book) -> None:
    execute("CREATE TEMP TABLE kck_publish_change (LIKE public.kck_publish_change)")
    execute("CREATE TEMP TABLE kck_publish_listener AS SELECT true AS asleep")
    Book.objects.update(title="mine")
    assert execute("SELECT op FROM public.kck_publish_change") == [("update",)]
    assert execute("SELECT op FROM pg_temp.kck_publish_change") == []


def test_another_search_path_does_not_matter(log: type[Log], book: Book) -> None:
    execute("SET LOCAL search_path = ''; UPDATE public.capture_app_book SET title = 'x'")
    execute("SET LOCAL search_path = public")
    assert log.ops() == ["update"]


def test_the_join_of_a_cached_plan_is_no_nested_loop(log: type[Log], author: Author) -> None:
    """The plan that a session keeps from one row must do for many.

    It is a FULL JOIN, for which PostgreSQL has only hash and merge joins; so what is held here is
    that the function is written that way, and that many rows after one are all logged.
    """
    (definition,) = execute(
        "SELECT prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid "
        "WHERE tgrelid = 'capture_app_book'::regclass AND tgname LIKE 'kck_publish_update_%'"
    )
    assert "kck_old FULL JOIN kck_new" in definition[0]
    Book.objects.create(author=author, title="0")
    Book.objects.update(title="1")
    Book.objects.bulk_create(Book(author=author, title="0") for _ in range(9_999))
    log.clear()
    Book.objects.update(title="2")
    assert execute("SELECT count(*), count(DISTINCT new[1]) FROM kck_publish_change") == [
        (10_000, 10_000)
    ]


@contextmanager
def listening() -> Iterator[Callable[[], int]]:
    """Gives what tells how many rings were heard since it was last asked."""
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    dsn = make_conninfo(**{name: parameters[name] for name in names if name in parameters})
    with psycopg.connect(dsn, autocommit=True) as ear:
        ((channel,),) = execute(CHANNEL)
        ear.execute(f"LISTEN {channel}")

        def heard() -> int:
            execute(f"SELECT pg_notify('{channel}', 'end')")
            payloads = []
            for notification in ear.notifies(timeout=10):
                payloads.append(notification.payload)
                if notification.payload == "end":
                    break
            return len(payloads) - 1

        yield heard


def fall_asleep() -> None:
    execute("INSERT INTO kck_publish_listener (name, asleep, backend) VALUES ('t', true, 1)")


@pytest.mark.django_db(transaction=True)
def test_the_doorbell_rings_only_for_what_is_logged() -> None:
    with capturing(source(Author, "rating")), listening() as heard:
        author = Author.objects.create(name="Ada")
        Author.objects.update(rating=1)
        assert heard() == 0  # nobody is asleep
        fall_asleep()
        Author.objects.update(rating=1)
        Author.objects.update(name="Bob")
        Author.objects.filter(pk=0).delete()
        with rolled_back():
            Author.objects.update(rating=7)
        assert heard() == 0
        Author.objects.filter(pk=author.pk).update(rating=2)
        assert heard() == 1


@pytest.mark.django_db(transaction=True)
def test_a_transaction_announces_a_source_once_and_again_after_a_savepoint() -> None:
    called = "SELECT calls FROM pg_stat_xact_user_functions WHERE funcname = 'kck_publish_ring_v1'"
    with capturing(source(Author, "rating"), source(Book, "title")), listening() as heard:
        author = Author.objects.create(name="Ada")
        book = Book.objects.create(author=author, title="0")
        with transaction.atomic():
            execute("SET LOCAL track_functions = 'all'")
            Author.objects.update(rating=5)
            assert execute(called) == []  # nobody is asleep
        fall_asleep()
        with transaction.atomic():
            execute("SET LOCAL track_functions = 'all'")
            for rating in range(1, 4):
                Author.objects.update(rating=rating)
            assert execute(called) == [(1,)]
            Book.objects.update(title="1")
            Author.objects.update(rating=9)
            assert execute(called) == [(2,)]
        assert heard() == 1
        with transaction.atomic():
            with rolled_back():
                Author.objects.update(rating=10)
                Book.objects.update(title="2")
            Author.objects.update(rating=11)
        assert heard() == 1
        Author.objects.update(rating=12)
        assert heard() == 1
        book.delete()
        assert heard() == 1
