"""Several listeners share the shards: evenly, politely, and around the dead and the silent."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from kck_publish.testing import assert_fresh
from tests.acceptance.test_listener_process import Start, start  # noqa: F401 - a fixture
from tests.catalog.fixtures import sql
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]


def owned() -> list[list[int]]:
    """The shards of each listener that is in the table, most first."""
    rows = sql("SELECT shards FROM kck_publish_listener")
    return sorted((list(row[0]) for row in rows), key=len, reverse=True)


def handled() -> bool:
    """Whether every shard has handled everything that is committed."""
    rows: Any = sql(
        "SELECT count(*) FROM kck_publish_change c WHERE EXISTS (SELECT FROM kck_publish_shard s "
        "WHERE NOT pg_visible_in_snapshot(c.xid, s.done))"
    )
    return bool(rows[0][0] == 0)


def test_shards_are_shared_and_move(
    start: Start,  # noqa: F811
    wait_until: Callable[..., Any],
) -> None:
    settings = {"SHARDS": 3, "SILENCE": 3}
    rows = [
        Item.objects.create(name=f"n{number}", amount=number, group=number) for number in range(30)
    ]
    for row in rows:
        ItemTotal.cached.get(group=row.group)
    one, two, three = (start(**settings).wait_ready() for _ in range(3))

    def everything_is_followed() -> None:
        Item.objects.update(amount=Item.objects.values_list("amount", flat=True)[0] + 1)
        wait_until(handled, 20, "all shards have caught up")
        assert_fresh()

    wait_until(lambda: [len(some) for some in owned()] == [1, 1, 1], 20, "an even share")
    everything_is_followed()
    one.end(signal.SIGKILL)
    everything_is_followed()
    wait_until(lambda: [len(some) for some in owned()] == [2, 1], 20, "the dead one's is taken")
    two.popen.send_signal(signal.SIGSTOP)
    everything_is_followed()
    wait_until(lambda: [len(some) for some in owned()] == [3], 20, "the silent one's is taken")
    two.popen.send_signal(signal.SIGCONT)
    wait_until(lambda: [len(some) for some in owned()] == [2, 1], 20, "it comes back")
    everything_is_followed()
    assert three.end() == 0
    everything_is_followed()
    assert two.end() == 0
    assert owned() == []


def test_at_most_so_many_shards(
    start: Start,  # noqa: F811
    wait_until: Callable[..., Any],
) -> None:
    first = start("--shards", "1", SHARDS=3).wait_ready()
    wait_until(lambda: [len(some) for some in owned()] == [1])
    start(SHARDS=3).wait_ready()
    wait_until(lambda: [len(some) for some in owned()] == [2, 1])
    assert first.end() == 0


def test_the_number_of_shards_may_change(
    start: Start,  # noqa: F811
    wait_until: Callable[..., Any],
) -> None:
    """The new cursors start where the last of the old ones was; a second number is refused."""
    row = Item.objects.create(name="n", amount=1)
    ItemTotal.cached.get(group=row.group)
    first = start(SHARDS=2).wait_ready()
    wait_until(handled)
    second = start(SHARDS=5)
    assert second.wait() == 1
    assert any("SHARDS is 5 here" in line for line in second.lines)
    assert first.end() == 0
    Item.objects.update(amount=7)
    start(SHARDS=5).wait_ready()
    wait_until(handled)
    assert sql("SELECT count(*), max(shards) FROM kck_publish_shard") == [(5, 5)]
    assert_fresh()
