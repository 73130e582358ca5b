"""What keeps a worker that is late from writing, and half a batch from being written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from kck_publish import Fenced, stores
from kck_publish.listener import shard, shard_batch
from kck_publish.listener.shard import OwnedShard
from kck_publish.log import refreshes
from kck_publish.postgres import connect
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import another_session, drain, interfering, physical, sql, stored
from tests.catalog.models import Author, Item
from tests.catalog.primers import AuthorPage, ItemTotal, ShelfSum

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def worker() -> Iterator[tuple[Any, OwnedShard]]:
    """The owner of the one shard: its desk, and its place in the log."""
    with closing(connect("default")) as desk:
        shard.agree(desk, 1)
        place = shard.take(desk, 0, 1)
        assert place is not None
        yield desk, place


@pytest.fixture(autouse=True)
def item(transactional_db: None) -> None:
    Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    drain()


def test_a_batch_is_written_only_from_where_it_was_read() -> None:
    """Under the same epoch: the cursor has moved since, so what is in hand may be old."""
    before = physical("item_total/1")
    sql("UPDATE catalog_item SET amount = 6")

    def move(product: str, parameters: Any) -> None:
        with another_session() as session:
            session.execute("UPDATE kck_publish_shard SET done = pg_current_snapshot()")

    with worker() as (desk, place), interfering(move), pytest.raises(Fenced):
        shard_batch.batch(desk, place)
    assert physical("item_total/1") == before


def test_who_has_lost_the_shard_does_not_take_back_the_new_owners_claim() -> None:
    """A reader compares with it: a claim that is too old would hide a change from it."""
    with worker() as (desk, place):
        with another_session() as session:
            session.execute(
                "UPDATE kck_publish_shard SET epoch = epoch + 1, claimed = '999999999:999999999:'"
            )
        with pytest.raises(Fenced):
            shard_batch.batch(desk, place)
    assert sql("SELECT claimed::text FROM kck_publish_shard") == [("999999999:999999999:",)]


def test_a_value_that_a_reader_adds_in_the_middle_of_a_batch_is_not_augmented(
    settings: Any,
) -> None:
    """The batch has asked what readers have added; this one comes after that, and is too old."""
    settings.KCK_PUBLISH = {"MAX_BATCH": 1}
    Item.objects.create(name="two", group=2, amount=5)
    drain()
    ((stamp,),) = sql("SELECT pg_current_snapshot()::text")
    sql("UPDATE catalog_item SET amount = 6 WHERE name = 'two'")
    drain()
    assert stored("item_total/2") is None
    fingerprint = registry.get("item_total").fingerprint
    address = stores.Address("item_total/2", fingerprint)

    def add(product: str, parameters: Any) -> None:
        if product == "item_total+" and parameters["group"] == 1:
            with another_session() as session:
                session.execute(
                    "INSERT INTO kck_publish_entry "
                    "(digest, fingerprint, key, product, bucket, body, stamp, by) VALUES "
                    "(%s, %s, 'item_total/2', 'item_total', %s, %s, %s, 'reader')",
                    [address.digest, fingerprint, address.bucket, b'{"count":1,"amount":5}', stamp],
                )

    sql("UPDATE catalog_item SET amount = amount + 1 WHERE name = 'one'")
    sql("UPDATE catalog_item SET amount = amount + 1 WHERE name = 'two'")
    with interfering(add), worker() as (desk, place):
        shard_batch.batch(desk, place)
    entry = stored("item_total/2")
    assert entry is not None
    assert entry.body == b'{"count":1,"amount":7}'
    drain()
    assert_fresh()


def test_a_stolen_shard_under_a_batch(item: None) -> None:
    """While one computes, its desk is ended and another takes the shard and does the batch."""
    sql("UPDATE catalog_item SET amount = amount + 1")
    stolen: list[bool] = []

    def steal(product: str, parameters: Any) -> None:
        if stolen:
            return
        stolen.append(True)
        with another_session() as thief:
            thief.execute("SELECT pg_terminate_backend(%s)", [backend])
            while not shard.take(thief, 0, 1):
                pass  # until the ended session's lock is free

    with worker() as (desk, place):
        backend = desk.info.backend_pid
        with interfering(steal), pytest.raises(Exception, match=r"terminating|closed|lost"):
            shard_batch.batch(desk, place)
    drain()
    entry = stored("item_total/1")
    assert entry is not None
    assert entry.body == b'{"count":1,"amount":6}'
    assert_fresh()


@pytest.mark.parametrize("where", ["adopt", "log"])
def test_an_error_in_the_middle_of_a_write_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The statements of one write are sent one by one, and hold together or not at all."""
    author = Author.objects.create(slug="a", first="A", last="B")
    AuthorPage.cached.get(author=author.pk)
    ShelfSum.cached.get(author=author.pk)
    drain()
    AuthorPage.cached.get(author=author.pk)
    key = f"author_page/{author.pk}"
    before, place = physical(key), sql("SELECT done::text FROM kck_publish_shard")
    Author.objects.update(last="C")
    ItemTotal.cached.get(group=7)  # to be adopted

    def fail(*args: Any) -> None:
        raise ZeroDivisionError

    if where == "adopt":
        monkeypatch.setattr(type(stores.current()), "adopt", fail)
    else:
        monkeypatch.setattr(refreshes, "log", fail)
    with pytest.raises(ZeroDivisionError):
        drain()
    monkeypatch.undo()
    assert physical(key) == before
    assert sql("SELECT done::text FROM kck_publish_shard") == place
    drain()
    assert AuthorPage.cached.get(author=author.pk)["name"] == "A C"
    assert_fresh()
