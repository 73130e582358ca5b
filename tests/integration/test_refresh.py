"""What a batch does with a key: augment, prime, stop, fail, retry, tell the others; and fencing.

Promises 3 (exactly once), 5 (one view), 7 (unchanged stops), and the failures of user code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, transaction

from kck_publish import Cache, Depends, IntegerParameter, Primer, Unserializable, conf
from kck_publish.exceptions import Fenced, ShardOccupied
from kck_publish.listener import shard, shard_batch
from kck_publish.listener.listener import Listener
from kck_publish.listener.shard import OwnedShard
from kck_publish.postgres import connect
from kck_publish.products import registry
from kck_publish.testing import assert_fresh, travel
from tests.catalog.crashes import Crash, dying
from tests.catalog.fixtures import (
    another_session,
    computes,
    drain,
    interfering,
    physical,
    sql,
    stored,
)
from tests.catalog.models import Author, Book, Edition, Item
from tests.catalog.primers import Anything, AuthorPage, Fragile, ItemTotal, Shelf, ShelfSum, Stock

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


@pytest.fixture
def author(transactional_db: None) -> Author:
    return Author.objects.create(slug="le-guin", first="Ursula", last="Le Guin")


@pytest.fixture
def book(author: Author) -> Book:
    return Book.objects.create(author=author, title="The Dispossessed", price=8)


@pytest.fixture
def edition(book: Book) -> Edition:
    return Edition.objects.create(book=book, copies=10)


@contextmanager
def worker() -> Iterator[tuple[Any, OwnedShard]]:
    """A listener's connection, and its place in the log, to take single batches."""
    desk = connect("default")
    try:
        shard.agree(desk, 1)
        place = shard.take(desk, 0, 1)
        assert place is not None
        yield desk, place
    finally:
        desk.close()


# Unchanged stops


def test_an_unchanged_value_is_not_written_and_wakes_nobody(
    author: Author, book: Book, edition: Edition
) -> None:
    """Promise 7."""
    ShelfSum.cached.get(author=author.pk)
    Shelf.cached.get(author=author.pk)
    drain()
    keys = [f"author_page/{author.pk}", f"shelf/{author.pk}", f"shelf_sum/{author.pk}"]
    AuthorPage.cached.get(author=author.pk)
    drain()
    before = {key: physical(key) for key in keys}
    assert all(before.values())
    with computes() as seen, transaction.atomic():
        Author.objects.filter(pk=author.pk).update(born="1929-10-21")  # the page does not show it
        book.title = "Another"
        book.save()
        book.title = "The Dispossessed"
        book.save()
    with computes() as seen:
        drain()
    assert "author_page" in seen
    assert "shelf_sum" not in seen
    assert {key: physical(key) for key in keys} == before


def test_a_column_that_nobody_depends_on_computes_nothing(edition: Edition) -> None:
    Stock.cached.get(book=edition.book_id)
    drain()
    with computes() as seen:
        Edition.objects.update(remark="first")
        assert drain().changes == 0
    assert seen == []


def test_an_augment_that_changes_nothing_writes_nothing(edition: Edition) -> None:
    Stock.cached.get(book=edition.book_id)
    drain()
    before = physical(f"stock/{edition.book_id}")
    with transaction.atomic():
        Edition.objects.update(copies=11)
        Edition.objects.update(copies=10)
    drain()
    assert physical(f"stock/{edition.book_id}") == before


# Cascades


def test_a_change_cascades_through_two_levels(author: Author, book: Book, edition: Edition) -> None:
    pk = author.pk
    for read in (Stock.cached.get(book=book.pk), ShelfSum.cached.get(author=pk)):
        assert read
    Shelf.cached.get(author=pk)
    AuthorPage.cached.get(author=pk)
    drain()
    Edition.objects.update(copies=17)
    with computes() as seen:
        drain()
    assert cache.entry(f"stock/{book.pk}").value == 17
    assert cache.entry(f"shelf/{pk}").value == {"The Dispossessed": 17}
    assert cache.entry(f"shelf_sum/{pk}").value == ["Ursula Le Guin", 17]
    assert seen == ["stock+", "shelf", "shelf_sum"]
    assert_fresh()


@pytest.mark.parametrize("how", ["update", "truncate", "delete"])
def test_a_product_over_products_that_are_not_stored(
    author: Author, book: Book, edition: Edition, how: str
) -> None:
    """Only the tip is stored: a change still reaches it."""
    assert ShelfSum.cached.get(author=author.pk) == ["Ursula Le Guin", 10]
    drain()
    sql("DELETE FROM kck_publish_entry WHERE key NOT LIKE 'shelf_sum/%'")
    statements = {
        "update": "UPDATE catalog_edition SET copies = 3",
        "truncate": "TRUNCATE catalog_edition",
        "delete": "DELETE FROM catalog_edition",
    }
    sql(statements[how])
    drain()
    expected = 3 if how == "update" else 0
    assert ShelfSum.cached.get(author=author.pk) == ["Ursula Le Guin", expected]
    assert_fresh()


def test_the_tip_of_a_diamond_is_computed_once(
    author: Author, book: Book, edition: Edition
) -> None:
    pk = author.pk
    AuthorPage.cached.get(author=pk)
    Shelf.cached.get(author=pk)
    ShelfSum.cached.get(author=pk)
    drain()
    Book.objects.filter(pk=book.pk).delete()
    with computes() as seen:
        drain()
    assert seen.count("author_page") == seen.count("shelf") == seen.count("shelf_sum") == 1
    assert cache.entry(f"shelf_sum/{pk}").value == ["Ursula Le Guin", 0]


def test_a_key_set_by_hand_tells_its_dependents(
    author: Author, book: Book, edition: Edition
) -> None:
    Shelf.cached.get(author=author.pk)
    drain()
    cache.set(f"stock/{book.pk}", 99)
    drain()
    assert Shelf.cached.get(author=author.pk) == {"The Dispossessed": 99}
    Edition.objects.update(copies=5)  # "its next refresh overwrites that"
    drain()
    assert Stock.cached.get(book=book.pk) == 5
    assert Shelf.cached.get(author=author.pk) == {"The Dispossessed": 5}


# Exactly once


@pytest.mark.parametrize(
    ("nth", "after"), [(1, False), (1, True), (2, False), (3, False), (3, True)]
)
def test_a_batch_that_is_repeated_augments_once(settings: Any, nth: int, after: bool) -> None:
    """Promise 3: the listener dies between compute and write, and between two chunks."""
    settings.KCK_PUBLISH = {"MAX_BATCH": 2}
    Item.objects.bulk_create([Item(name=f"i{n}", group=n, amount=n) for n in range(7)])
    for group in range(7):
        ItemTotal.cached.get(group=group)
    drain()
    Item.objects.update(amount=100)
    Item.objects.bulk_create([Item(name=f"j{n}", group=n, amount=1) for n in range(7)])
    with dying(nth, after), pytest.raises(Crash):
        drain()
    Item.objects.filter(group__lt=4).update(amount=3)  # and more comes meanwhile
    with computes() as seen:
        drain()
    assert "item_total" not in seen
    assert [cache.entry(f"item_total/{n}").value for n in range(7)] == [
        {"count": 2, "amount": 6 if n < 4 else 101} for n in range(7)
    ]
    assert_fresh()


def test_a_late_commit_augments_once_and_is_not_lost(edition: Edition) -> None:
    """An old transaction stays open while others commit and are handled."""
    Stock.cached.get(book=edition.book_id)
    drain()
    with another_session(autocommit=False) as late:
        late.execute(
            "INSERT INTO catalog_edition (book_id, copies, remark) VALUES (%s, 1000, '')",
            [edition.book_id],
        )
        for copies in (20, 30):
            Edition.objects.filter(pk=edition.pk).update(copies=copies)
            drain()
            assert cache.entry(f"stock/{edition.book_id}").value == copies
        late.commit()
    with computes() as seen:
        drain()
    assert cache.entry(f"stock/{edition.book_id}").value == 1030
    assert seen == ["stock+"]


def test_a_lazy_value_older_than_the_cursor_is_primed(edition: Edition) -> None:
    """It may have missed a batch that had already looked."""
    key = f"stock/{edition.book_id}"
    Stock.cached.get(book=edition.book_id)
    stamp = stored(key).stamp  # type: ignore[union-attr]
    Edition.objects.update(copies=11)
    drain()
    # As if a slow reader had added, only now, what it computed before that change.
    sql(
        "UPDATE kck_publish_entry SET body = '10', by = 'reader', stamp = %s::pg_snapshot "
        "WHERE key = %s",
        stamp,
        key,
    )
    Edition.objects.update(copies=12)
    with computes() as seen:
        drain()
    assert seen == ["stock"]
    assert cache.entry(key).value == 12


def test_one_batch_sees_one_snapshot(author: Author) -> None:
    """Promise 5: what commits between two computes of a batch belongs to the next."""
    other = Author.objects.create(slug="lem", first="Stanislaw", last="Lem")
    for one in (author, other):
        AuthorPage.cached.get(author=one.pk)
    drain()
    Author.objects.update(first="X")
    seen: list[Any] = []

    def interrupt(product: str, parameters: Any) -> None:
        seen.append(Author.objects.order_by("pk").values_list("first", flat=True)[0])
        with another_session() as session:
            session.execute("UPDATE catalog_author SET first = first || 'Y' WHERE first < 'XYY'")

    with worker() as (desk, place), interfering(interrupt):
        shard_batch.batch(desk, place)
    assert seen == ["X", "X"]
    drain()
    assert_fresh()


# Failures


class Broken(Exception):  # noqa: N818
    """What a compute of the tests raises."""


def failing(*groups: int, error: Callable[[], Any] | None = None) -> Any:
    def fail(product: str, parameters: Any) -> None:
        if product == "fragile" and parameters["group"] in groups:
            if error is not None:
                error()
            raise Broken(product)

    return interfering(fail)


@pytest.fixture
def groups(transactional_db: None) -> list[int]:
    Item.objects.bulk_create([Item(name=f"i{n}", group=n % 3, amount=n) for n in range(9)])
    return [0, 1, 2]


@pytest.fixture(params=["stored by a reader", "stored by the listener"])
def fragile(groups: list[int], request: pytest.FixtureRequest) -> None:
    Fragile.cached.get_many([{"group": group} for group in groups])
    if request.param == "stored by the listener":
        drain()


def failures() -> list[tuple[Any, ...]]:
    return sql("SELECT key, attempts, due_at IS NULL FROM kck_publish_failure ORDER BY key")


def test_a_failing_compute_keeps_the_old_value_and_is_tried_again(fragile: None) -> None:
    with failing(1):
        Item.objects.update(amount=1)
        assert drain().failed == 1
        assert Fragile.cached.get_many([{"group": g} for g in range(3)]) == [
            [1, 1, 1],
            [1, 4, 7],
            [1, 1, 1],
        ]
        assert stored("fragile/1").behind  # type: ignore[union-attr]
        assert not stored("fragile/0").behind  # type: ignore[union-attr]
        assert failures() == [("fragile/1", 1, False)]
        # Until its time has come nobody tries again, whatever else happens.
        with computes() as seen:
            drain()
            Author.objects.create(slug="x")
            drain()
            Author.objects.update(last="y")
            drain()
        assert "fragile" not in seen
        assert failures() == [("fragile/1", 1, False)]
    with travel(timedelta(minutes=2)), computes() as seen:
        drain()
    assert seen == ["fragile"]
    assert failures() == []
    assert not stored("fragile/1").behind  # type: ignore[union-attr]
    assert_fresh()


def test_a_key_that_keeps_failing_becomes_a_dead_letter(fragile: None) -> None:
    with failing(1):
        Item.objects.update(amount=1)
        drain()
        for tries in (2, 3):
            with travel(timedelta(minutes=2 * tries)):
                drain()
            assert failures() == [("fragile/1", tries, tries == 3)]
        with travel(timedelta(days=2)), computes() as seen:
            drain()
            Author.objects.create(slug="x")
            drain()
        assert "fragile" not in seen
        assert stored("fragile/1").behind  # type: ignore[union-attr]
    # A further change of what it depends on is another try.
    Item.objects.filter(group=1).update(amount=2)
    drain()
    assert failures() == []
    assert_fresh()


def _bad_query() -> None:
    sql("SELECT 1 / 0")


def _bad_query_in_a_block() -> None:
    with transaction.atomic():
        sql("SELECT no_such_column")


def _bad_query_in_an_open_block() -> None:
    with transaction.atomic(savepoint=False):
        sql("SELECT no_such_column")


def _writes() -> None:
    Author.objects.create(slug="written by a compute")


@pytest.mark.parametrize(
    "error", [_bad_query, _bad_query_in_a_block, _bad_query_in_an_open_block, _writes]
)
def test_a_database_error_spoils_no_other_key(fragile: None, error: Callable[[], Any]) -> None:
    with failing(0, 2, error=error):
        Item.objects.update(amount=1)
        AuthorPage.cached.get_many([{"author": 1}])
        assert drain().failed == 2
    assert [key for key, _, _ in failures()] == ["fragile/0", "fragile/2"]
    assert Fragile.cached.get(group=1) == [1, 1, 1]
    with travel(timedelta(minutes=2)):
        drain()
    assert failures() == []
    assert not Author.objects.filter(slug="written by a compute").exists()
    assert_fresh()


def test_a_value_that_cannot_be_stored_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Anything, "values", {"x": 1})
    assert cache.get("anything/x") == 1
    drain()
    monkeypatch.setattr(Anything, "values", {"x": {"deep": [1, object()]}})
    cache.refresh("anything/x")
    assert drain().failed == 1
    ((error,),) = sql("SELECT error FROM kck_publish_failure")
    assert Unserializable.__name__ in error
    assert cache.entry("anything/x").value == 1


def test_a_failing_augment_is_primed(edition: Edition) -> None:
    Stock.cached.get(book=edition.book_id)
    drain()

    def fail(product: str, parameters: Any) -> None:
        if product == "stock+":
            raise Broken(product)

    Edition.objects.update(copies=4)
    with interfering(fail), computes() as seen:
        drain()
    assert seen == ["stock+", "stock"]
    assert cache.entry(f"stock/{edition.book_id}").value == 4
    assert failures() == []


def test_a_failed_key_is_primed_not_augmented(edition: Edition) -> None:
    """Its value has missed a change: augmenting it would build on sand."""
    key = f"stock/{edition.book_id}"
    Stock.cached.get(book=edition.book_id)
    drain()

    def fail(product: str, parameters: Any) -> None:
        if product.startswith("stock"):
            raise Broken(product)

    with interfering(fail):
        Edition.objects.update(copies=4)
        assert drain().failed == 1
    with computes() as seen:
        Edition.objects.update(copies=5)
        drain()
    assert seen == ["stock"]
    assert cache.entry(key).value == 5
    assert failures() == []


def test_a_product_that_no_longer_exists_is_removed_and_its_dependents_told(
    author: Author, book: Book, edition: Edition
) -> None:
    pk = author.pk
    AuthorPage.cached.get(author=pk)
    ShelfSum.cached.get(author=pk)
    drain()
    author.delete()
    with computes() as seen:
        drain()
    assert "shelf_sum" in seen
    for key in (f"author_page/{pk}", f"shelf_sum/{pk}"):
        assert stored(key) is None
        with pytest.raises(ObjectDoesNotExist):
            cache.get(key)
    assert failures() == []


def test_a_removed_product_is_not_retried(fragile: None) -> None:
    def gone(product: str, parameters: Any) -> None:
        if product == "fragile" and parameters["group"] == 1:
            raise Item.DoesNotExist

    with failing(1):
        Item.objects.update(amount=1)
        drain()
    with interfering(gone), travel(timedelta(minutes=2)):
        drain()
    assert failures() == []
    assert stored("fragile/1") is None


# Fencing


def test_a_worker_whose_shard_has_moved_writes_nothing(edition: Edition) -> None:
    key = f"stock/{edition.book_id}"
    Stock.cached.get(book=edition.book_id)
    drain()
    before = physical(key)
    Edition.objects.update(copies=11)

    def move(product: str, parameters: Any) -> None:
        with another_session() as session:
            session.execute("UPDATE kck_publish_shard SET epoch = epoch + 1")

    with worker() as (desk, place):
        with interfering(move), pytest.raises(Fenced, match="Shard 0 has moved"):
            shard_batch.batch(desk, place)
        assert physical(key) == before
        with pytest.raises(Fenced):  # nor does it claim
            shard_batch.batch(desk, place)
    ((done, claimed),) = sql("SELECT done::text, claimed::text FROM kck_publish_shard")
    assert done == place.done
    assert claimed != done  # the first one had claimed; that costs at most a refresh
    drain()
    assert cache.entry(key).value == 11


def test_a_shard_has_one_owner(transactional_db: None, settings: Any) -> None:
    settings.KCK_PUBLISH = {"SILENCE": 0.5}
    drain()
    with worker() as (_, place):
        second = connect("default")
        try:
            assert shard.take(second, 0, 1) is None
        finally:
            second.close()
        Item.objects.create(name="x")
        with pytest.raises(ShardOccupied):
            drain()
        assert sql("SELECT epoch FROM kck_publish_shard") == [(place.epoch,)]
    assert drain().changes == 1
    assert sql("SELECT epoch FROM kck_publish_shard") == [(place.epoch + 1,)]


def test_the_loop_lets_go_of_a_shard_that_has_moved(edition: Edition) -> None:
    """And takes it again, under an epoch of its own, when nobody holds it."""
    listener = Listener("default")
    with listener.working() as worker:
        worker.take_shards()
        before = listener.owned[0]
        sql("UPDATE kck_publish_shard SET epoch = epoch + 1")
        Edition.objects.update(copies=3)
        assert worker.drain().changes > 0
        assert listener.owned[0].epoch == before.epoch + 2
        assert_fresh()


# Who else keeps values of the key


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("how", ["changed", "unchanged", "truncated"])
def test_values_of_another_version_of_the_code_are_removed_when_a_key_changes(
    edition: Edition, ours: bool, how: str
) -> None:
    """Promise 11: the other code primes anew; it must not go on serving what is stale."""
    key = f"stock/{edition.book_id}"
    Stock.cached.get(book=edition.book_id)
    drain()
    columns = "digest, key, product, bucket, body, stamp, by"
    sql(
        f"INSERT INTO kck_publish_entry (fingerprint, {columns}) "
        f"SELECT 'another', {columns} FROM kck_publish_entry WHERE key = %s",
        key,
    )
    if not ours:
        sql("DELETE FROM kck_publish_entry WHERE fingerprint <> 'another'")
    if how == "changed":
        Edition.objects.update(copies=3)
    elif how == "truncated":
        sql("TRUNCATE catalog_edition")
    else:
        with transaction.atomic():
            Edition.objects.update(copies=3)
            Edition.objects.update(copies=10)
    drain()
    assert sql("SELECT key FROM kck_publish_entry WHERE fingerprint = 'another'") == []


# Rows that say themselves what they publish


def test_a_lookup_that_another_row_takes_over_stays_published(author: Author) -> None:
    first = Book.objects.create(author=author, title="A")
    second = Book.objects.create(author=author, title="B")
    drain()
    with transaction.atomic():
        Book.objects.filter(pk=second.pk).update(title="A")
        Book.objects.filter(pk=first.pk).update(title="C")
    drain()
    assert stored("catalog.book:title/A") is not None
    assert stored("catalog.book:title/B") is None
    assert Book.cached.get(title="A").pk == second.pk
    assert Book.cached.get(title="C").pk == first.pk
    assert_fresh()


def test_none_one_and_many_rows_under_a_lookup(transactional_db: None) -> None:
    def answer() -> Any:
        try:
            return Author.cached.get(first="Ada", last="L").pk
        except (Author.DoesNotExist, Author.MultipleObjectsReturned) as error:
            return type(error)

    assert answer() is Author.DoesNotExist
    drain()
    with transaction.atomic():
        first, _ = (Author.objects.create(slug=f"{n}", first="Ada", last="L") for n in range(2))
    drain()
    assert answer() is Author.MultipleObjectsReturned
    Author.objects.filter(first="Ada").delete()
    drain()
    assert answer() is Author.DoesNotExist
    with transaction.atomic():
        one, other = (Author.objects.create(slug=f"{n}", first="Ada", last="L") for n in range(2))
    drain()
    other.delete()
    drain()
    assert answer() == one.pk
    assert first.pk != one.pk


def test_an_eager_product_without_parameters_needs_no_reader(author: Author, book: Book) -> None:
    drain()
    assert stored("titles") is not None
    Book.objects.create(author=author, title="Always Coming Home")
    drain()
    assert cache.entry("titles").value == ["Always Coming Home", "The Dispossessed"]


def test_many_changes_of_one_key_are_primed(edition: Edition, settings: Any) -> None:
    Stock.cached.get(book=edition.book_id)
    drain()
    sql(
        "INSERT INTO catalog_edition (book_id, copies, remark) "
        "SELECT %s, 1, '' FROM generate_series(1, 1500)",
        edition.book_id,
    )
    with computes() as seen:
        drain()
    assert seen == ["stock"]
    assert cache.entry(f"stock/{edition.book_id}").value == 1510
    assert conf.settings.MAX_BATCH
    assert connection.vendor == "postgresql"


def test_a_key_that_leaves_an_eager_domain_is_removed(transactional_db: None) -> None:
    """And one that enters it is primed, read or not."""

    class GroupSize(Primer):
        key = "group_size"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Item, group="group", columns=[]),)
        eager = True

        def compute(self, group: int) -> int:
            return Item.objects.filter(group=group).count()

        def domain(self) -> Any:
            return Item.objects.order_by().values("group").distinct()

    try:
        Item.objects.create(name="a", group=1)
        Item.objects.create(name="b", group=2)
        drain()
        assert [cache.is_set(f"group_size/{group}") for group in (1, 2, 3)] == [True, True, False]
        Item.objects.filter(group=2).update(group=3)
        drain()
        assert [cache.is_set(f"group_size/{group}") for group in (1, 2, 3)] == [True, False, True]
        assert cache.get("group_size/3") == 1
    finally:
        registry.unregister("group_size")
