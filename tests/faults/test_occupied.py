"""Draining while another session owns the shard: it is waited for, or named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from kck_publish import ShardOccupied
from kck_publish.listener import shard
from kck_publish.listener.listener import Listener
from kck_publish.ops import catching_up, verify
from kck_publish.postgres import connect
from tests.catalog.fixtures import Session, drain, sql
from tests.catalog.models import Item
from tests.catalog.primers import ItemNames, ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def item(transactional_db: None) -> None:
    Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    drain()
    sql("UPDATE catalog_item SET amount = 6")


@pytest.fixture
def corrupted() -> int:
    """So many keys whose values are wrong, each compared by itself."""
    keys = [{"group": group} for group in range(2, 22)]
    ItemNames.cached.get_many(keys)
    drain()
    sql("UPDATE kck_publish_entry SET body = '[\"x\"]' WHERE product = 'item_names'")
    return len(keys)


@pytest.fixture
def owner() -> Iterator[Any]:
    """A session that owns the shard, and does nothing."""
    desk = connect("default")
    assert shard.take(desk, 0, 1) is not None
    yield desk
    desk.close()


def test_an_owner_that_does_not_come_on_is_named(owner: Any, settings: Any) -> None:
    """Nothing is drained, and that is said (C11)."""
    settings.KCK_PUBLISH = {"SILENCE": 0.2}
    with pytest.raises(ShardOccupied, match="Shards 0 belong"):
        drain()


def test_an_audit_is_patient_once(
    corrupted: int, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once for each product, or portion of its keys (C14)."""
    sql("UPDATE catalog_item SET amount = 7")
    monkeypatch.setattr(verify, "CHUNK", 1)
    monkeypatch.setattr(catching_up, "_AT_LEAST", 0.5)
    start = time.monotonic()
    report = verify.audit(["item_names"], patience=0.2)
    assert time.monotonic() - start < 0.5 * corrupted / 2
    assert len(report.findings) == corrupted


def test_an_owner_that_ends_is_waited_for(owner: Any) -> None:
    """Then the shard is ours, and drained (C11)."""
    draining = Session(drain)
    assert draining.is_alive()
    owner.close()
    draining.result()
    assert ItemTotal.cached.get(group=1) == {"count": 1, "amount": 6}


def test_an_owner_that_handles_it_is_enough() -> None:
    """Drained means handled, by whichever listener (C11)."""
    listener = Listener("default", say=lambda line: None)
    running = Session(listener.run)
    try:
        assert listener.moments.connected.wait(120)
        for amount in (7, 8, 9):
            sql("UPDATE catalog_item SET amount = %s", amount)
            drain()
            assert ItemTotal.cached.get(group=1) == {"count": 1, "amount": amount}
        assert listener.owned
    finally:
        listener.stop()
        running.result()
