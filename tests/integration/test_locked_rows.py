"""Locks on entries: a user's transaction holds none, and a listener outwaits others (C2)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import transaction

from kck_publish import Cache, VersionMismatch, postgres
from kck_publish.listener.listener import Listener
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import Session, another_session, drain, listening, settle, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


@pytest.fixture(autouse=True)
def items(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT", "200ms")
    for group in (1, 2):
        Item.objects.create(name=f"item{group}", group=group, amount=5)
        ItemTotal.cached.get(group=group)
    drain()


@pytest.fixture
def running() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def is_stored(group: int, amount: int) -> Callable[[], bool]:
    def found() -> bool:
        entry = stored(f"item_total/{group}")
        return entry is not None and f":{amount}}}".encode() in (entry.body or b"")

    return found


def test_a_locked_row_is_no_lost_database(
    running: Listener,
    settings: Any,
    wait_until: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Other keys are refreshed meanwhile; the locked one is, when it is let go."""
    settings.KCK_PUBLISH = {"POLL_INTERVAL": 0.5}
    with another_session(autocommit=False) as other:
        other.execute("SELECT FROM kck_publish_entry WHERE key = 'item_total/1' FOR UPDATE")
        with caplog.at_level(logging.WARNING, "kck_publish"):
            sql("UPDATE catalog_item SET amount = 8")
            wait_until(is_stored(2, 8))
            sql('UPDATE catalog_item SET amount = 9 WHERE "group" = 2')
            wait_until(is_stored(2, 9))
        assert is_stored(1, 5)()
        other.rollback()
    wait_until(is_stored(1, 8))
    assert running.moments.lost.count == 0
    said = [one.getMessage() for one in caplog.records]
    assert sum("locked their rows: item_total/1" in one for one in said) == 1, said
    assert_fresh()


@pytest.mark.parametrize("table", ["kck_publish_entry", "kck_publish_shard"])
def test_a_locked_table_is_no_lost_database(
    running: Listener, wait_until: Callable[..., Any], caplog: pytest.LogCaptureFixture, table: str
) -> None:
    """The batch waits, which is said once; what is prepared by then outlives its ROLLBACK."""
    for amount in range(10, 22):
        sql("UPDATE catalog_item SET amount = %s", amount)
        wait_until(is_stored(1, amount))
    with another_session(autocommit=False) as other:
        other.execute(f"LOCK TABLE {table} IN SHARE MODE")
        with caplog.at_level(logging.WARNING, "kck_publish"):
            sql("UPDATE catalog_item SET amount = 8")
            wait_until(lambda: "Shard 0 waits" in caplog.text)
        other.rollback()
    wait_until(is_stored(1, 8))
    assert running.moments.lost.count == 0
    assert caplog.text.count("waits") == 1
    assert_fresh()


def test_a_set_in_a_transaction_locks_no_row() -> None:
    """Of a key that a listener writes; it is there after the commit."""
    with transaction.atomic():
        entry = cache.set("item_total/1", {"count": 0, "amount": 99})
        assert entry.value == {"count": 0, "amount": 99}
        Session(lambda: sql("UPDATE catalog_item SET amount = 8")).result()
        Session(drain).result()
        assert is_stored(1, 8)()
    settle()
    assert cache.get("item_total/1") == {"count": 0, "amount": 99}
    drain()
    sql("UPDATE catalog_item SET amount = 7")
    drain()
    assert_fresh()


@pytest.mark.parametrize(
    "remove",
    [
        lambda: cache.unset("item_total/1"),
        lambda: cache.clear("item_total"),
        lambda: cache.clear(),
    ],
    ids=["unset", "clear a product", "clear"],
)
def test_a_removal_in_a_transaction_locks_no_row(remove: Callable[[], bool | None]) -> None:
    """Of a key that a listener writes; it is gone after the commit, and there after a rollback."""
    with suppress(ZeroDivisionError), transaction.atomic():
        assert remove() in (True, None)
        raise ZeroDivisionError
    assert is_stored(1, 5)()
    with transaction.atomic():
        assert remove() in (True, None)
        Session(lambda: sql("UPDATE catalog_item SET amount = 8")).result()
        Session(drain).result()
        assert is_stored(1, 8)()
    assert stored("item_total/1") is None
    assert cache.unset("item_total/1") is False
    assert cache.get("item_total/1")["amount"] == 8
    drain()
    assert_fresh()


def test_what_no_product_computes_is_removed_with_the_transaction() -> None:
    cache.set("any/thing", 1)
    with suppress(ZeroDivisionError), transaction.atomic():
        assert cache.unset("any/thing")
        assert not cache.is_set("any/thing")
        raise ZeroDivisionError
    assert cache.get("any/thing") == 1


def test_the_version_that_a_set_in_a_transaction_tells() -> None:
    """It can be compared with, unless another value came in between."""
    with transaction.atomic():
        entry = cache.set("item_total/1", {"count": 0, "amount": 99})
    assert cache.entry("item_total/1").version == entry.version
    cache.set("item_total/1", {"count": 0, "amount": 98}, check_version=entry.version)
    with pytest.raises(VersionMismatch), transaction.atomic():
        cache.set("item_total/1", {"count": 0, "amount": 1}, check_version=entry.version)
    with transaction.atomic():
        entry = cache.set("item_total/1", {"count": 0, "amount": 2})
        Session(lambda: cache.set("item_total/1", {"count": 0, "amount": 3})).result()
    assert cache.get("item_total/1")["amount"] == 2
    assert cache.entry("item_total/1").version > entry.version


def test_a_version_that_moved_on_before_the_commit_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    version = cache.set("item_total/1", {"count": 0, "amount": 1}).version
    after: list[bool] = []
    with transaction.atomic():
        cache.set("item_total/1", {"count": 0, "amount": 2}, check_version=version)
        Session(lambda: cache.set("item_total/1", {"count": 0, "amount": 3})).result()
        transaction.on_commit(lambda: after.append(True))
    assert cache.get("item_total/1")["amount"] == 3
    assert "was not set after the commit" in caplog.text
    assert after == [True]


def test_a_set_that_fails_after_the_commit_harms_no_hook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The user's own hooks are run (C2, as C3)."""
    after: list[bool] = []
    with transaction.atomic():
        cache.set("item_total/1", {"count": 0, "amount": 2})
        transaction.on_commit(lambda: after.append(True))
        sql("ALTER TABLE kck_publish_entry RENAME TO kck_publish_moved")
    try:
        assert after == [True]
    finally:
        sql("ALTER TABLE kck_publish_moved RENAME TO kck_publish_entry")
