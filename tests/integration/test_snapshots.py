"""A stamp never claims what its own transaction is still to commit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from kck_publish import Cache, StoreMissing
from kck_publish.log.reader import UNSEEN
from kck_publish.log.snapshot import Snapshot, take
from kck_publish.testing import assert_fresh, drain, travel
from tests.catalog.fixtures import another_session
from tests.catalog.models import Author, Book, Tag
from tests.catalog.primers import AuthorPage, Stock, interfere

cache = Cache.get_instance()


def test_a_later_transaction_does_not_hide_that_ours_is_open(transactional_db: None) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        (own,) = cursor.fetchone()
        with another_session() as other:
            other.execute("SELECT pg_current_xact_id()")
        cursor.execute("SELECT pg_current_snapshot()::text")
        assert Snapshot.parse(cursor.fetchone()[0]).sees(own)  # what PostgreSQL says
        assert not Snapshot.parse(take(cursor)).sees(own)


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["1:1:", "7:7:", "5:9:5,7", "4:12:4,5,11"])
def test_the_sql_functions_say_what_a_snapshot_says(text: str) -> None:
    snapshot = Snapshot.parse(text)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kck_publish_age_v1(%s), kck_publish_running_v1(%s)::text[]", [text, text]
        )
        assert cursor.fetchone() == (snapshot.age, [str(xid) for xid in sorted(snapshot.running)])
        cursor.execute(
            "SELECT kck_publish_unseen_v1(g::text::xid8, %s) FROM generate_series(1, 14) g", [text]
        )
        assert [unseen for (unseen,) in cursor] == [not snapshot.sees(xid) for xid in range(1, 15)]


@pytest.mark.django_db
def test_unseen_rows_of_the_log_are_found_by_the_index_on_xid() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO kck_publish_change (xid, source, op)"
            " SELECT g::text::xid8, 'source', 'insert' FROM generate_series(1, 5000) g"
        )
        cursor.execute("ANALYZE kck_publish_change")
        cursor.execute(
            f"EXPLAIN (COSTS OFF) SELECT FROM kck_publish_change WHERE {UNSEEN}",
            {"since": "4900:4990:4900,4950"},
        )
        plan = "\n".join(line for (line,) in cursor)
    assert "Index Cond: (xid >= " in plan
    assert "Index Cond: (xid = ANY (" in plan


@pytest.mark.django_db
@pytest.mark.parametrize("run", [1, 2])
def test_drain_sees_each_change_of_a_transaction(run: int) -> None:
    author = Author.objects.create(slug="a", last="old")
    drain()
    with another_session() as other:
        other.execute("SELECT pg_current_xact_id()")
    AuthorPage.cached.get(author=author.pk)
    drain()
    Author.objects.update(last="new")
    drain()
    assert Author.cached.get(pk=author.pk).last == "new"
    assert AuthorPage.cached.get(author=author.pk)["name"] == " new"
    assert_fresh()


def test_a_lazy_prime_before_a_write_of_its_transaction_does_not_stay(
    transactional_db: None,
) -> None:
    author = Author.objects.create(slug="a", last="old")
    drain()
    with transaction.atomic():
        Tag.objects.create(name="unrelated")
        with another_session() as other:
            other.execute("SELECT pg_current_xact_id()")
        AuthorPage.cached.get(author=author.pk)
        Author.objects.update(last="new")
    drain()
    assert AuthorPage.cached.get(author=author.pk)["name"] == " new"
    assert_fresh()


@pytest.mark.django_db
def test_a_retry_that_is_due_is_drained() -> None:
    author = Author.objects.create(slug="a", last="old")
    drain()
    AuthorPage.cached.get(author=author.pk)

    def fail(product: str, parameters: Any) -> None:
        if product == "author_page":
            raise ZeroDivisionError

    interfere.append(fail)
    Author.objects.update(last="new")
    drain()
    interfere.remove(fail)
    drain()
    assert cache.entry(f"author_page/{author.pk}").value["name"] == " old"
    with travel(timedelta(minutes=5)):
        drain()
    assert cache.entry(f"author_page/{author.pk}").value["name"] == " new"
    Author.objects.update(last="newer")
    drain()
    assert cache.entry(f"author_page/{author.pk}").value["name"] == " newer"


@pytest.mark.django_db
def test_a_drained_request_is_done() -> None:
    author = Author.objects.create(slug="a")
    book = Book.objects.create(author=author, title="t")
    drain()
    Stock.cached.get(book=book.pk)
    key = f"stock/{book.pk}"
    cache.refresh(key)
    assert cache.is_refreshing(key)
    drain()
    assert not cache.is_refreshing(key)


@pytest.mark.django_db
def test_a_listener_in_a_transaction_says_what_to_call() -> None:
    with pytest.raises(CommandError, match=r"testing.drain\(\)"):
        call_command("kck_listen", "--once")
    assert Author.objects.count() == 0  # the transaction still works


def test_what_needs_the_store_names_that_it_is_missing(transactional_db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE kck_publish_entry RENAME TO kck_publish_gone")
    try:
        for use in (
            lambda: cache.set("any/key", 1),
            lambda: cache.entry("any/key"),
            lambda: cache.unset("any/key"),
            cache.clear,
        ):
            with pytest.raises(StoreMissing, match="migrate kck_publish"):
                use()
        for command in ("kck_status", "kck_listen"):
            with pytest.raises(CommandError, match="migrate kck_publish"):
                call_command(command, *(["--once"] if command == "kck_listen" else []))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE kck_publish_gone RENAME TO kck_publish_entry")
