"""The background audit: finds what differs, repairs it, and is never wrong under load."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from kck_publish.testing import assert_fresh
from tests.acceptance.test_listener_process import (  # noqa: F401 - a fixture
    Start,
    drained,
    start,
    writers,
)
from tests.catalog.fixtures import sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemNames, ItemTotal
from tests.integration.test_commands import status

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
# Keys a minute: so many that every key is looked at all the time.
OFTEN = 60_000


def compared() -> int:
    return int(status()["audit"]["compared"])


def test_it_finds_and_repairs_what_differs(
    start: Start,  # noqa: F811
    wait_until: Callable[..., Any],
) -> None:
    row = Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    listener = start(AUDIT=OFTEN).wait_ready()
    wait_until(drained)
    wait_until(compared)
    assert status()["audit"]["differing"] == 0
    # What no code of ours does: the stored value is changed behind everybody's back.
    sql(
        """UPDATE kck_publish_entry SET body = '{"count":1,"amount":6}' WHERE key = %s""",
        "item_total/1",
    )
    wait_until(lambda: (stored("item_total/1").body or b"") == b'{"count":1,"amount":5}')  # type: ignore[union-attr]
    wait_until(lambda: status()["audit"]["differing"] == 1)
    # What is written past the triggers is found too.
    sql("ALTER TABLE catalog_item DISABLE TRIGGER USER")
    try:
        sql("UPDATE catalog_item SET name = 'two' WHERE id = %s", row.pk)
    finally:
        sql("ALTER TABLE catalog_item ENABLE TRIGGER USER")
    wait_until(lambda: b'"two"' in (stored(f"catalog.item/{row.pk}").body or b""))  # type: ignore[union-attr]
    assert listener.end() == 0
    assert [line for line in listener.lines if "The audit found that item_total/1" in line]


def test_it_is_off_unless_asked_for(
    start: Start,  # noqa: F811
    wait_until: Callable[..., Any],
) -> None:
    start().wait_ready()
    before = sql("SELECT seen_at FROM kck_publish_listener")
    wait_until(lambda: sql("SELECT seen_at FROM kck_publish_listener") > before)
    assert compared() == 0


def test_it_is_never_wrong_under_load(
    start: Start,  # noqa: F811
    wait_until: Callable[..., Any],
) -> None:
    """Writers commit all the time, transactions stay open for a while, and nothing is reported."""
    for group in range(5):
        ItemTotal.cached.get(group=group)
        ItemNames.cached.get(group=group)
    listener = start(AUDIT=OFTEN, SHARDS=2).wait_ready()
    stop = threading.Event()
    with writers(["READ COMMITTED"] * 2, stop) as sessions:
        wait_until(lambda: compared() > 40, 60)
        stop.set()
        assert sum(session.result() for session in sessions) > 10
    wait_until(drained)
    assert status()["audit"]["differing"] == 0
    assert listener.end() == 0
    assert not [line for line in listener.lines if "audit" in line], listener.lines
    assert_fresh()
