"""Huge changes: what is too much for one batch is worked off in pages, between other changes.

Each test sets a bound of a few changes, so that a few rows are already too many.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from kck_publish import Cache
from kck_publish.listener import shard
from kck_publish.listener import shard_batch as listener_batch
from kck_publish.listener.listener import Listener
from kck_publish.listener.shard import OwnedShard
from kck_publish.log import consumers
from kck_publish.log.keys import shard_of
from kck_publish.log.lag import lags
from kck_publish.log.snapshot import Snapshot
from kck_publish.log.trim import Trimming
from kck_publish.ops import verify
from kck_publish.postgres import connect
from kck_publish.products import registry
from kck_publish.refresh import backlog as backlog_of
from kck_publish.refresh.backlog import Deferred
from kck_publish.status import status
from kck_publish.testing import assert_fresh
from tests.catalog.crashes import Crash, dying
from tests.catalog.fixtures import Session, another_session, computes, drain, sql, stored
from tests.catalog.models import Author, Book, Edition, Item
from tests.catalog.primers import AuthorPage, ItemNames, ItemTotal, Shelf, ShelfSum, Stock

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
ROWS = 12


@pytest.fixture(autouse=True)
def bound(settings: Any) -> None:
    """More than four changes of a source are too many; a page has at most four rows."""
    settings.KCK_PUBLISH = {"MAX_CHANGES": 4, "MAX_BATCH": 3}


@pytest.fixture
def items(transactional_db: None) -> list[Item]:
    found = Item.objects.bulk_create(
        Item(name=f"n{number}", group=number % 2, amount=number) for number in range(ROWS)
    )
    for group in (0, 1):
        ItemNames.cached.get(group=group)
        ItemTotal.cached.get(group=group)
    drain()
    return found


@contextmanager
def worker(shards: int = 1) -> Iterator[tuple[Any, OwnedShard]]:
    """A listener's connection, and its place in the log, to take single batches."""
    desk = connect("default")
    try:
        shard.agree(desk, shards)
        place = shard.take(desk, 0, shards)
        assert place is not None
        yield desk, place
    finally:
        desk.close()


def batch(desk: Any, place: OwnedShard) -> OwnedShard:
    found: OwnedShard = Session(lambda: listener_batch.batch(desk, place)).result()[0]
    return found


def backlog() -> list[tuple[Any, ...]]:
    return sql("SELECT name, stored FROM kck_publish_backlog ORDER BY id")


def test_a_source_that_changed_much_is_put_aside_and_then_true(items: list[Item]) -> None:
    """Published rows, by pk and by a lookup that changes, recomputed and augmented products."""
    Item.objects.update(amount=100)
    sql('UPDATE catalog_item SET name = \'m\' || substr(name, 2), "group" = 1 - "group"')
    with worker() as (desk, place):
        place = batch(desk, place)
        assert backlog() == [("catalog_item", False)]
        assert stored(f"catalog.item/{items[0].pk}").body.endswith(b"]")  # type: ignore[union-attr]
        seen = 0
        while listener_batch.waits(desk, place):
            place = batch(desk, place)
            seen += 1
        assert seen >= 2 * ROWS / 4
    assert backlog() == []
    assert_fresh()
    for item in Item.objects.all():
        for key in (f"catalog.item/{item.pk}", f"catalog.item:name/{item.name}"):
            entry = stored(key)
            assert entry is not None, key
            assert entry.body is not None, key


def test_what_is_put_aside_while_falling_asleep_is_handled(
    items: list[Item], wait_until: Callable[..., Any]
) -> None:
    """A long transaction commits much when the listener says that it sleeps, so nobody rings.

    Nor does anybody ring for what a listener that sleeps has put aside itself.
    """
    listener = Listener("default", say=lambda line: None)
    fell = "SELECT count(*) FROM kck_publish_listener WHERE asleep"
    with another_session(autocommit=False) as other:
        other.execute("UPDATE catalog_item SET amount = 100")
        running = Session(listener.run)
        try:
            wait_until(lambda: sql(fell) == [(1,)])
            other.commit()
            wait_until(lambda: b'"amount":600' in getattr(stored("item_total/1"), "body", b""), 20)
            wait_until(lambda: backlog() == [], 20)
            assert listener.moments.seat_belt.count == 0
        finally:
            listener.stop()
            running.result()
    assert_fresh()


def test_new_rows_are_published_from_pages(transactional_db: None) -> None:
    Item.objects.bulk_create(Item(name=f"n{number}") for number in range(ROWS))
    drain()
    for item in Item.objects.all():
        assert stored(f"catalog.item:name/{item.name}") is not None
    assert_fresh()


def test_small_changes_of_others_do_not_wait(items: list[Item]) -> None:
    author = Author.objects.create(slug="s", first="F", last="L")
    AuthorPage.cached.get(author=author.pk)
    drain()
    with transaction.atomic():
        Item.objects.update(amount=7)
        Author.objects.update(first="G")
    with worker() as (desk, place):
        place = batch(desk, place)
        assert backlog() == [("catalog_item", False)]
        assert b"G L" in stored(f"author_page/{author.pk}").body  # type: ignore[union-attr, operator]
        Author.objects.update(first="H")
        place = batch(desk, place)
        assert backlog() == [("catalog_item", False)]
        assert b"H L" in stored(f"author_page/{author.pk}").body  # type: ignore[union-attr, operator]


def test_a_value_that_lacks_what_was_put_aside_is_never_amended(items: list[Item]) -> None:
    """Promise 3: the next change is small, and its batch would augment."""
    Item.objects.update(amount=50)
    with worker() as (desk, place):
        place = batch(desk, place)
        while place.backlog:
            Item.objects.filter(pk=items[0].pk).update(amount=place.backlog[0].seq + 1)
            place = batch(desk, place)
    drain()
    assert_fresh("item_total")


def test_a_value_that_is_true_again_is_amended_while_the_backlog_lasts(items: list[Item]) -> None:
    Item.objects.update(amount=50)
    with worker() as (desk, place):
        place = batch(desk, batch(desk, place))
        assert place.backlog
        Item.objects.filter(pk=items[0].pk).update(amount=51)
        with computes() as seen:
            place = batch(desk, place)
        assert place.backlog
        assert "item_total+" in seen
        assert seen.count("item_total") == 0
    drain()
    assert_fresh("item_total")


def test_a_key_that_every_page_touches_is_computed_once(items: list[Item]) -> None:
    sql("UPDATE catalog_item SET name = 'm' || substr(name, 2)")
    with computes() as seen:
        drain()
    assert sorted(seen) == ["item_names", "item_names"]
    assert_fresh()


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", range(1, 9))
def test_a_crash_between_the_writes_repeats_and_harms_nothing(
    items: list[Item], nth: int, after: bool
) -> None:
    sql("UPDATE catalog_item SET name = 'm' || substr(name, 2), amount = amount * 2 + 1")
    with dying(nth, after), pytest.raises(Crash):
        Session(drain).result()
    Item.objects.filter(pk=items[0].pk).update(amount=-5)
    drain()
    assert backlog() == []
    assert_fresh()
    for item in Item.objects.all():
        assert stored(f"catalog.item:name/{item.name}") is not None


def test_a_whole_product_is_worked_off_in_pages(transactional_db: None) -> None:
    """A TRUNCATE touches all that is stored; an amendment meanwhile would lack it."""
    author = Author.objects.create(slug="s", first="F", last="L")
    books = [Book.objects.create(author=author, title=f"t{number}") for number in range(ROWS)]
    for book in books:
        Edition.objects.create(book=book, copies=3)
        Stock.cached.get(book=book.pk)
    Shelf.cached.get(author=author.pk)
    ShelfSum.cached.get(author=author.pk)
    drain()
    sql("TRUNCATE catalog_edition")
    with worker() as (desk, place):
        place = batch(desk, place)
        assert ("stock", True) in backlog()
        for book in books:
            Edition.objects.create(book=book, copies=1)
            place = batch(desk, place)
    drain()
    assert backlog() == []
    assert_fresh()
    assert Stock.cached.get(book=books[0].pk) == 1


def test_a_whole_product_is_put_aside_once_however_often_it_is_touched(
    transactional_db: None,
) -> None:
    author = Author.objects.create(slug="s", first="F", last="L")
    for number in range(ROWS):
        book = Book.objects.create(author=author, title=f"t{number}")
        Stock.cached.get(book=book.pk)
    drain()
    sql("TRUNCATE catalog_edition")
    with worker() as (desk, place):
        for _ in range(4):
            place = batch(desk, place)
            sql("TRUNCATE catalog_edition")
            assert len(backlog()) <= 2
    drain()
    assert_fresh()


def test_ones_own_write_is_not_settled_while_it_is_put_aside(items: list[Item]) -> None:
    """Promise 8: the cursor has passed the write, and the value is still the old one."""
    Item.objects.update(amount=9)
    with worker() as (desk, place):
        place = batch(desk, place)
        assert place.backlog
        last = Item.objects.order_by("pk").last()
        assert last is not None
        assert Item.cached.get(pk=last.pk).amount == 9
        assert Item.cached.get(name=last.name).amount == 9


def test_what_is_put_aside_counts_as_lag_of_its_products_alone(items: list[Item]) -> None:
    Item.objects.update(amount=9)
    with worker() as (desk, place):
        batch(desk, place)
    sql("UPDATE kck_publish_backlog SET at = at - interval '60 seconds'")
    with connection.cursor() as cursor:
        assert lags(cursor, registry.graph().under("item_total")).of_shard(0) > 59
        assert lags(cursor, registry.graph().under("author_page")).of_shard(0) < 59
    found = status()
    assert found.lag_seconds > 59
    assert found.queue["deferred"] == 1


def test_the_auditor_judges_nothing_that_is_put_aside(items: list[Item]) -> None:
    Item.objects.update(amount=9)
    with worker() as (desk, place):
        batch(desk, place)
    report = verify.audit(["item_total", "catalog.item"], patience=0)
    assert {one.kind for one in report.findings} == {"waiting"}


def test_the_log_is_kept_until_the_backlog_is_done(items: list[Item]) -> None:
    Item.objects.update(amount=99)
    with worker() as (desk, place):
        place = batch(desk, place)
        with connection.cursor() as cursor:
            oldest = place.backlog[0].since
            assert oldest in consumers.cursors(cursor)
            Trimming(0).trim(cursor)
        assert sql("SELECT count(*) FROM kck_publish_change WHERE op = 'update'") == [(ROWS,)]
    drain()
    assert_fresh()


def test_another_number_of_shards_takes_the_backlog_over(items: list[Item], settings: Any) -> None:
    Item.objects.update(amount=9)
    with worker() as (desk, place):
        place = batch(desk, batch(desk, place))
        assert place.backlog
        Item.objects.filter(pk=items[0].pk).update(amount=10)
        batch(desk, place)
    settings.KCK_PUBLISH = {"MAX_CHANGES": 4, "SHARDS": 3}
    drain()
    assert backlog() == []
    assert_fresh()


def test_a_cursor_that_is_set_back_amends_nothing_twice(items: list[Item], settings: Any) -> None:
    """Two changes of one batch that cancel out leave the value, and its stamp, as they were."""
    settings.KCK_PUBLISH = {"SHARDS": 2}
    drain()
    with worker(2) as (desk, place):
        assert place.shard == 0
        other = shard.take(desk, 1, 2)
        assert other is not None
        Item.objects.filter(pk=items[0].pk).update(amount=1000)
        place = batch(desk, place) if shard_of("item_total/0", 2) else place
        other = batch(desk, other) if not shard_of("item_total/0", 2) else other
        Item.objects.filter(pk=items[0].pk).update(amount=0)
        batch(desk, other) if shard_of("item_total/0", 2) else batch(desk, place)
    settings.KCK_PUBLISH = {"SHARDS": 1}
    drain()
    assert_fresh("item_total")


def test_a_lookup_that_moves_from_row_to_row_stays_published(transactional_db: None) -> None:
    """The row that gave a title up may be in a later page than the one that took it over."""
    author = Author.objects.create(slug="s", first="F", last="L")
    books = Book.objects.bulk_create(Book(author=author, title=f"t{n}") for n in range(ROWS))
    drain()
    first = books[0].pk
    sql(f"UPDATE catalog_book SET title = 't' || (id - {first} + 1) %% {ROWS} WHERE id > %s", 0)
    drain()
    assert_fresh()
    for number in range(ROWS):
        assert stored(f"catalog.book:title/t{number}") is not None


def test_the_batch_that_puts_a_product_aside_amends_none_of_its_values(
    transactional_db: None,
) -> None:
    author = Author.objects.create(slug="s", first="F", last="L")
    books = [Book.objects.create(author=author, title=f"t{number}") for number in range(ROWS)]
    for book in books:
        Edition.objects.create(book=book, copies=3)
        Stock.cached.get(book=book.pk)
    drain()
    with transaction.atomic():
        sql("TRUNCATE catalog_edition")
        Edition.objects.create(book=books[-1], copies=1)
    with worker() as (desk, place):
        batch(desk, place)
    assert ("stock", True) in backlog()
    assert stored(f"stock/{books[-1].pk}").body == b"1"  # type: ignore[union-attr]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["older first", "newer first"])
def test_of_several_parts_the_newest_says_what_a_value_must_include(order: tuple[int, ...]) -> None:
    """A stamp that includes the older part alone still lacks the newer (F)."""
    ends = "100:100:", "200:200:"
    parts = [
        Deferred(0, "catalog_item", False, "50:50:", ends[n], 0, 0, uuid.UUID(int=0)) for n in order
    ]
    needed = backlog_of.behind(registry.graph(), parts, [], "300:300:")
    assert needed["item_total"] == Snapshot.parse(ends[1])
    needed = backlog_of.behind(registry.graph(), parts, ["catalog_item"], "300:300:")
    assert needed["item_total"] == Snapshot.parse("300:300:")
