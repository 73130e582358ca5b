"""Promise 8: a reader sees its own writes, and stores nothing that is not committed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from kck_publish import Cache
from kck_publish.listener import shard, shard_batch
from kck_publish.postgres import connect
from kck_publish.stores import read_own
from tests.catalog.fixtures import Session, another_session, computes, drain, settle, sql, stored
from tests.catalog.models import Author, Book, Edition, Item, Tag
from tests.catalog.primers import ItemNames, ItemTotal, Shelf, ShelfSum, Stock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("over")]
cache = Cache.get_instance()


class RollBack(Exception):  # noqa: N818
    """Leaves a block of ``transaction.atomic`` without its writes."""


@pytest.fixture(autouse=True)
def row(transactional_db: None) -> Item:
    row = Item.objects.create(name="one", group=1, amount=5)
    look()
    drain()
    look()  # this session's own write is passed by now
    return row


def look(group: int = 1) -> tuple[Any, ...]:
    """A published row, a list of rows, a primed and an augmented product."""
    try:
        amount = Item.cached.get(name="one").amount
    except Item.DoesNotExist:
        amount = None
    return (
        amount,
        [one.amount for one in Item.cached.filter(group=group)],
        [name for _, name in ItemNames.cached.get(group=group)],
        ItemTotal.cached.get(group=group)["amount"],
    )


OLD, NEW = (5, [5], ["one"], 5), (8, [8], ["one"], 8)


def write(amount: int = 8) -> None:
    Item.objects.filter(name="one").update(amount=amount)


def elsewhere(run: Callable[[], Any]) -> Any:
    """What another session sees."""
    return Session(run).result()


def entries() -> list[tuple[Any, ...]]:
    with another_session() as other:
        return other.execute("SELECT key, version FROM kck_publish_entry ORDER BY key").fetchall()


def test_inside_the_transaction_that_has_written() -> None:
    before = entries()
    with transaction.atomic():
        assert look() == OLD
        write()
        assert look() == NEW
        assert elsewhere(look) == OLD
        write(9)
        assert look() == (9, [9], ["one"], 9)
    assert entries() == before


def test_after_the_commit_before_the_listener_has_passed_and_after(over: str) -> None:
    before = entries()
    write()
    assert look() == look() == NEW
    assert entries() == before  # what is stored is the listener's to change
    assert elsewhere(look) == OLD  # the others may see the old value still
    drain()
    with computes() as seen:
        assert look() == NEW
    assert seen == []
    with CaptureQueriesContext(
        connection,
    ) as queries:
        look()
    assert len(queries) == (4 if over == "store" else 0)  # one look at the store for each


def test_a_key_that_is_not_stored_is_stored_after_the_commit_only() -> None:
    with transaction.atomic():
        Item.objects.create(name="two", group=2, amount=3)
        assert ItemTotal.cached.get(group=2)["amount"] == 3
        assert ItemNames.cached.get(group=2)[0][1] == "two"
        assert Item.cached.get(name="two").amount == 3
        raise_later = elsewhere(lambda: ItemTotal.cached.get(group=2))
        assert raise_later["amount"] == 0  # which this other session has stored, rightly
    assert elsewhere(lambda: ItemNames.cached.get(group=2))[0][1] == "two"
    assert ItemTotal.cached.get(group=2)["amount"] == 3
    drain()
    assert elsewhere(lambda: ItemTotal.cached.get(group=2))["amount"] == 3


def test_nothing_of_a_transaction_that_was_rolled_back_is_stored_or_seen() -> None:
    before = entries()
    with suppress(RollBack), transaction.atomic():
        write()
        Item.objects.create(name="two", group=2, amount=3)
        assert look() == NEW
        ItemTotal.cached.get(group=2)
        raise RollBack
    assert entries() == before
    with computes() as seen:
        assert look() == OLD
    assert seen == []
    assert ItemTotal.cached.get(group=2)["count"] == 0


def test_rollback_to_a_savepoint() -> None:
    with transaction.atomic():
        with suppress(RollBack), transaction.atomic():
            write()
            assert look() == NEW
            raise RollBack
        with computes() as seen:
            assert look() == OLD
        assert seen == []
        with transaction.atomic():
            write(9)
        with suppress(RollBack), transaction.atomic():
            write(10)
            raise RollBack
        assert look() == (9, [9], ["one"], 9)
    assert look() == (9, [9], ["one"], 9)


def test_a_value_of_a_savepoint_that_django_does_not_know_is_not_stored() -> None:
    """What was rolled back has logged nothing: a value that includes it would stay for ever."""
    with transaction.atomic():
        sql("SAVEPOINT by_hand")
        Item.objects.create(name="two", group=2)
        assert ItemNames.cached.get(group=2)[0][1] == "two"
        sql("ROLLBACK TO SAVEPOINT by_hand")
    assert elsewhere(lambda: ItemNames.cached.get(group=2)) == []
    drain()
    assert elsewhere(lambda: ItemNames.cached.get(group=2)) == []


def test_a_transaction_that_only_reads_is_served_from_the_store(over: str) -> None:
    """ATOMIC_REQUESTS costs nothing."""
    with transaction.atomic(), computes() as seen, CaptureQueriesContext(connection) as queries:
        assert look() == OLD
    assert seen == []
    reads = [query["sql"] for query in queries if "kck_publish_entry" in query["sql"]]
    assert len(reads) == 4 if over == "store" else len(reads) < 4
    assert not any("catalog_" in query["sql"] for query in queries)


def test_a_transaction_that_has_written_something_else_is_served_too() -> None:
    with transaction.atomic():
        Tag.objects.create(name="of another table")
        Author.objects.create(slug="of another source")
        with computes() as seen:
            assert look() == OLD
        assert seen == []


def test_a_lazy_prime_of_a_transaction_is_stored_once_it_has_committed() -> None:
    Item.objects.create(name="two", group=2)
    drain()
    with transaction.atomic():
        assert ItemNames.cached.get(group=2)
        assert stored("item_names/2") is None
        Item.objects.filter(name="two").update(name="changed later")
        assert ItemNames.cached.get(group=2)[0][1] == "changed later"
    drain()
    assert elsewhere(lambda: ItemNames.cached.get(group=2))[0][1] == "changed later"
    with suppress(RollBack), transaction.atomic():
        ItemNames.cached.get(group=3)
        raise RollBack
    assert stored("item_names/3") is None


def test_raw_sql_and_a_delete_count_as_own_writes() -> None:
    sql("UPDATE catalog_item SET amount = 8")
    assert look() == NEW
    sql("TRUNCATE catalog_item CASCADE")
    assert look() == (None, [], [], 0)
    drain()
    assert look() == (None, [], [], 0)


def test_a_write_under_a_product_of_a_product() -> None:
    author = Author.objects.create(slug="a", first="A", last="B")
    book = Book.objects.create(author=author, title="T")
    Edition.objects.create(book=book, copies=1)
    for read in (Stock.cached.get(book=book.pk), Shelf.cached.get(author=author.pk)):
        assert read
    ShelfSum.cached.get(author=author.pk)
    drain()
    with transaction.atomic():
        Edition.objects.update(copies=2)
        assert ShelfSum.cached.get(author=author.pk) == ["A B", 2]
    assert ShelfSum.cached.get(author=author.pk) == ["A B", 2]
    drain()
    with computes() as seen:
        assert ShelfSum.cached.get(author=author.pk) == ["A B", 2]
    assert seen == []


def test_between_the_batches_of_a_cascade(settings: Any) -> None:
    """The listener has passed the write, but what depends on products comes in later batches."""
    author = Author.objects.create(slug="a", first="A", last="B")
    book = Book.objects.create(author=author, title="T")
    Edition.objects.create(book=book, copies=1)
    Stock.cached.get(book=book.pk)
    Shelf.cached.get(author=author.pk)
    ShelfSum.cached.get(author=author.pk)
    drain()
    ShelfSum.cached.get(author=author.pk)
    Edition.objects.update(copies=2)
    # One batch has no room for all of it.
    settings.KCK_PUBLISH = {**getattr(settings, "KCK_PUBLISH", {}), "MAX_CHANGES": 1}
    desk = connect("default")
    try:
        place = shard.take(desk, 0, 1)
        assert place is not None
        while shard_batch.waits(desk, place):
            place, _ = Session(lambda place=place: shard_batch.batch(desk, place)).result()  # type: ignore[misc]
            assert Stock.cached.get(book=book.pk) == 2
            assert ShelfSum.cached.get(author=author.pk) == ["A B", 2]
            assert Shelf.cached.get(author=author.pk) == {"T": 2}
    finally:
        desk.close()
    settle()
    with computes() as seen:
        assert ShelfSum.cached.get(author=author.pk) == ["A B", 2]
    assert seen == []


def test_a_batch_between_the_questions_for_the_value_and_for_what_is_handled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A value that was read before must not be taken for one that the listener has handled."""
    own = read_own

    def drained_before(*arguments: Any) -> Any:
        Session(drain).result()
        return own(*arguments)

    write()
    monkeypatch.setattr("kck_publish.reading.read_with_own_writes.read_own", drained_before)
    assert look() == NEW


def test_another_session_is_not_bothered() -> None:
    write()
    with computes() as seen:
        assert elsewhere(look) == OLD
    assert seen == []
