"""Those who sleep, and whose rows are deleted: nobody would ring for them any more (C10)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kck_publish import Follower
from kck_publish.following.process import Following
from kck_publish.listener.listener import Listener
from kck_publish.listener.near_follower import NearFollower
from tests.catalog.fixtures import Session, drain, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)


class Idle(Follower):
    """Follows everything, and keeps nothing."""

    name = "idle"

    def changes(self, batch: list[Any]) -> None:
        """Nothing to do."""


def listener() -> Following:
    return Listener("default", say=lambda line: None)


def near() -> Following:
    return NearFollower("default")


def follower() -> Following:
    return Idle().process


@pytest.mark.parametrize("make", [listener, near, follower], ids=lambda make: make.__name__)
def test_it_writes_itself_anew(
    make: Callable[[], Following],
    settings: Any,
    tmp_path: Path,
    wait_until: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Within a second or two, and long before the seat belt looks."""
    settings.KCK_PUBLISH = {"POLL_INTERVAL": 60, "NEAR": str(tmp_path / "near")}
    Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    drain()
    process = make()
    running = Session(process.run)
    try:
        assert process.moments.asleep.wait(120)
        with caplog.at_level(logging.WARNING, "kck_publish"):
            sql("DELETE FROM kck_publish_listener")
            wait_until(lambda: sql("SELECT 1 FROM kck_publish_listener WHERE asleep"))
        assert sum("was deleted" in one.getMessage() for one in caplog.records) == 1
        if isinstance(process, Listener):
            sql("UPDATE catalog_item SET amount = 8")
            wait_until(lambda: (entry := stored("item_total/1")) and b":8" in (entry.body or b""))
        assert process.moments.seat_belt.count == 0
        assert process.moments.connected.count == 2
    finally:
        process.stop()
        running.result()
