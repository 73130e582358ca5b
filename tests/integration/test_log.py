"""The change log's own rules: what is trimmed, and that the library's own rows ring."""

from __future__ import annotations

from contextlib import closing

import pytest
from django.db import connection

from kck_publish import Cache
from kck_publish.following.ear import CHANNEL
from kck_publish.log.reader import FIRST
from kck_publish.log.trim import Trimming
from kck_publish.postgres import connect
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import another_session, drain, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)


def trim() -> int:
    with connection.cursor() as cursor:
        return Trimming(keep=0).trim(cursor)


def test_what_a_cursor_has_still_to_see_is_not_trimmed() -> None:
    """An open transaction's row is older than the rows that the cursor has handled."""
    Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    drain()
    with another_session(autocommit=False) as late:
        late.execute("UPDATE catalog_item SET amount = 6")
        Item.objects.create(name="two", group=2, amount=0)
        drain()
        trim()
        late.commit()
    trim()  # it is committed, and not handled
    drain()
    entry = stored("item_total/1")
    assert entry is not None
    assert entry.body == b'{"count":1,"amount":6}'
    assert_fresh()
    Item.objects.create(name="three", group=2, amount=0)
    drain()
    assert trim() > 0


def test_every_shards_cursor_counts() -> None:
    Item.objects.create(name="one", group=1, amount=5)
    drain()
    sql(
        "INSERT INTO kck_publish_shard (shard, shards, claimed, done, cluster) "
        "SELECT 1, 2, '1:1:', '1:1:', cluster FROM kck_publish_shard"
    )
    assert trim() == 0
    assert sql("SELECT count(*) > 0 FROM kck_publish_change") == [(True,)]


@pytest.mark.parametrize("late", [False, True], ids=["later", "late"])
def test_more_changes_than_come_with_the_snapshot(late: bool) -> None:
    """A first page comes with it, in the order of the transactions; the rest is asked for."""
    groups = range(2, 2 * FIRST)
    Item.objects.bulk_create(Item(name=f"n{each}", group=each, amount=1) for each in groups)
    for group in groups[::50]:
        ItemTotal.cached.get(group=group)
    drain()
    with another_session(autocommit=False) as session:
        session.execute("UPDATE catalog_item SET amount = amount + 1")
        if late:  # the cursor has it among those that were running
            Item.objects.create(name="two", group=1, amount=0)
            drain()
        session.commit()
    drain()
    assert_fresh()
    for group in groups[::50]:
        entry = stored(f"item_total/{group}")
        assert entry is not None
        assert entry.body == b'{"count":1,"amount":2}'


def test_a_request_rings_for_a_listener_that_sleeps() -> None:
    """As a change does; awake, nobody is rung for."""
    Item.objects.create(name="one", group=1, amount=5)
    with closing(connect("default")) as ear:
        ((channel,),) = sql(CHANNEL)
        ear.execute(f"LISTEN {channel}")
        sql("INSERT INTO kck_publish_listener (name, backend) VALUES ('x', 0)")
        Cache.get_instance().refresh("item_total/1")
        sql("UPDATE catalog_item SET amount = 6")
        sql(f"NOTIFY {channel}, 'so far'")
        (first,) = ear.notifies(timeout=10, stop_after=1)
        assert first.payload == "so far"
        sql("UPDATE kck_publish_listener SET asleep = true")
        for ring in (
            lambda: Cache.get_instance().refresh("item_total/1"),
            lambda: sql("UPDATE catalog_item SET amount = 7"),
        ):
            ring()
            (heard,) = ear.notifies(timeout=10, stop_after=1)
            assert heard.payload == ""
