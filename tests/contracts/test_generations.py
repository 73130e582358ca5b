"""A store outside the database that is begun anew, because it is of another future of it (B11).

The faults themselves are in ``tests/faults/test_failover.py``; here are the races.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.cache import caches

from kck_publish import stores
from kck_publish.listener.assignment import Assignment
from kck_publish.listener.near_follower import NearFollower
from kck_publish.listener.near_loop import following
from kck_publish.listener.shard import OwnedShard
from kck_publish.postgres import connect
from kck_publish.products import registry
from kck_publish.stores.cache_entries import CacheEntries, entries_of
from kck_publish.stores.generation import Marker
from kck_publish.stores.near import reader as near_reader
from tests.catalog.fixtures import Session, drain, sql
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.contracts.conftest import Backend

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def drained(bare: Backend, transactional_db: None) -> None:
    """A listener has been there."""
    Item.objects.create(name="one", group=1, amount=5)
    drain()


@pytest.fixture
def desk(drained: None) -> Iterator[psycopg.Connection[Any]]:
    """A listener's connection."""
    with closing(connect("default")) as connection:
        yield connection


def entries() -> CacheEntries:
    return entries_of("shared", "public", "default")


def begin_anew() -> None:
    """What a listener does that finds the marker of another future."""
    entries().mark(Marker("other", "1/1", "1:1:"))
    with closing(connect("default")) as other:
        assert stores.current().examine(other)


def total() -> Any:
    return ItemTotal.cached.get(group=1)["amount"]


def test_a_listener_finds_all_in_order_and_writes_the_marker_again(
    desk: psycopg.Connection[Any],
) -> None:
    store = stores.current()
    assert not store.examine(desk)
    before = entries().marker()
    assert before is not None
    assert not store.examine(desk)
    caches["shared"].delete("kck1:marker")
    assert not store.examine(desk)
    assert entries().marker() == before


def test_other_processes_see_it_within_a_second(wait_until: Any) -> None:
    """They read what is there no more for no longer than that, and add it nowhere."""
    total()
    other = CacheEntries("shared", "kck1", "default")
    address = stores.Address("item_total/1", _fingerprint())
    assert address in other.get([address])
    begin_anew()
    wait_until(lambda: not other.get([address]) and other.generation == entries().generation)
    assert other.generation != ""
    assert total() == 5
    assert address in other.get([address])


def test_a_process_that_finds_no_marker_asks_the_database() -> None:
    total()
    begin_anew()
    caches["shared"].delete("kck1:marker")
    other = CacheEntries("shared", "kck1", "default")
    assert other.get([stores.Address("item_total/1", _fingerprint())]) == {}
    assert other.generation == entries().generation != ""


def test_a_reader_who_adds_when_its_row_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees a claim, and asks for a refresh: else no change of the whole product finds it."""
    add = CacheEntries.add

    def interrupted(self: CacheEntries, found: Any) -> None:
        monkeypatch.setattr(CacheEntries, "add", add)
        Session(begin_anew).result()
        add(self, found)

    monkeypatch.setattr(CacheEntries, "add", interrupted)
    assert total() == 5
    assert not sql("SELECT 1 FROM kck_publish_entry WHERE key = 'item_total/1'")
    assert sql("SELECT new FROM kck_publish_change WHERE op = 'refresh'") == [(["item_total/1"],)]
    drain()
    assert sql("SELECT by FROM kck_publish_entry WHERE key = 'item_total/1'") == [("listener",)]


def test_near_stores_are_told() -> None:
    """Also of values that had no row."""
    sql("INSERT INTO kck_publish_consumer (name, kind, done) VALUES ('near:x', 'near', '1:1:')")
    sql("DELETE FROM kck_publish_copy")
    begin_anew()
    assert (None,) in sql("SELECT key FROM kck_publish_copy")


def test_a_near_store_follows_again_after_its_sessions_were_ended(
    tmp_path: Path, settings: Any, wait_until: Any
) -> None:
    """Its thread asks for the generation on Django's connection, where there is no marker."""
    path = str(tmp_path / "near")
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "NEAR": path, "NEAR_LEASE": 0.2}
    near, reader = NearFollower("default"), near_reader.reader(path)

    def held() -> bool:
        total()
        reader.ask("item_total/1", _fingerprint())
        return reader.get("item_total/1", _fingerprint()) is not None

    with following(near):
        for _ in range(2):
            wait_until(held)
            caches["shared"].delete("kck1:marker")
            entries().look_again()
            sql(
                "DELETE FROM kck_publish_consumer;"  # so that it begins anew
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            wait_until(lambda: reader.get("item_total/1", _fingerprint()) is None)
        wait_until(held)
    reader.close()
    backends = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    wait_until(lambda: sql(backends) == [(1,)])


def test_shards_are_taken_again_so_that_eager_products_are_primed(
    desk: psycopg.Connection[Any],
) -> None:
    owned: dict[int, OwnedShard] = {}
    assignment = Assignment(desk, owned, None)
    assert [place.shard for place in assignment.balance(alone=True)] == [0]
    assert assignment.balance(alone=True) == []
    entries().mark(Marker("other", "1/1", "1:1:"))
    assert [place.shard for place in assignment.balance(alone=True)] == [0]


def test_a_flushed_database_does_not_know_the_values(desk: psycopg.Connection[Any]) -> None:
    """As after ``manage.py flush``: what the cache holds is of rows that have gone."""
    total()
    sql("TRUNCATE kck_publish_entry, kck_publish_edge, kck_publish_shard, kck_publish_generation")
    sql("SET kck_publish.suppress = '*'")
    sql("UPDATE catalog_item SET amount = 7")
    sql("RESET kck_publish.suppress")
    drain()
    assert total() == 7


def _fingerprint() -> str:
    product = registry.find("item_total/1")
    assert product is not None
    return product.fingerprint
