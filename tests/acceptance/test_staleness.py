"""Promise 9: staleness is known, whatever keeps the listener from its work.

A key's own refresh that keeps failing is in ``test_failures.py``.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kck_publish import Behind
from kck_publish.log.lag import lags
from tests.acceptance.test_listener_process import Start, start, total  # noqa: F401 - a fixture
from tests.catalog.fixtures import another_session, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemNames, ItemTotal
from tests.integration.test_commands import fails, run, status

pytestmark = pytest.mark.django_db(transaction=True)
Wait = Callable[..., Any]


@pytest.fixture
def item(transactional_db: None) -> Item:
    row = Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    return row


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ItemTotal, "max_lag", timedelta(seconds=1))
    monkeypatch.setattr(ItemTotal, "when_behind", "compute")


def lag() -> float:
    with connection.cursor() as cursor:
        return lags(cursor).longest


def write(amount: int) -> None:
    """As another program: one's own writes are seen whatever the lag."""
    with another_session() as session:
        session.execute("UPDATE catalog_item SET amount = %s", [amount])


def amount() -> int:
    return int(ItemTotal.cached.get(group=1)["amount"])


@pytest.mark.long
@pytest.mark.parametrize("how", ["gone", "paused"])
def test_a_listener_that_is_gone_or_paused(
    start: Start,  # noqa: F811
    item: Item,
    impatient: None,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """Within ``max_lag`` the old value is served, then computed, or refused, until it goes on."""
    listener = start(SILENCE=600).wait_ready()
    if how == "gone":
        listener.end(signal.SIGKILL)
    else:
        listener.popen.send_signal(signal.SIGSTOP)
    assert lag() == 0.0  # nothing is unhandled, so nothing is behind
    write(7)
    assert lag() < 1.5
    wait_until(lambda: lag() > 1)
    assert amount() == 7  # computed
    assert total(5)()  # by the reader, for itself
    monkeypatch.setattr(ItemTotal, "when_behind", "raise")
    with pytest.raises(Behind, match="the listener is behind"):
        amount()
    monkeypatch.setattr(ItemTotal, "when_behind", "serve")
    assert amount() == 5
    assert "unhandled change" in fails("kck_status", "--check", "--max-lag", "1")
    assert "healthy    yes" in run("kck_status", "--check", "--max-lag", "3600")
    monkeypatch.setattr(ItemTotal, "when_behind", "raise")
    if how == "gone":
        start().wait_ready()
    else:
        listener.popen.send_signal(signal.SIGCONT)
    wait_until(total(7))
    wait_until(lambda: lag() == 0.0)
    assert amount() == 7
    assert "healthy    yes" in run("kck_status", "--check", "--max-lag", "1")


@pytest.mark.long
def test_a_slow_listener_is_behind(
    start: Start,  # noqa: F811
    item: Item,
    impatient: None,
    wait_until: Wait,
) -> None:
    """A batch that takes long: what has come since waits, and is as old as it is."""
    start().wait_ready()
    with another_session() as session:
        session.autocommit = False
        # The batch's write waits for this row, as it would for a slow compute.
        session.execute("SELECT FROM kck_publish_entry WHERE key = 'item_total/1' FOR UPDATE")
        write(8)
        wait_until(lambda: lag() > 1)
        assert amount() == 8
        assert total(5)()
        session.rollback()
    wait_until(total(8))
    wait_until(lambda: lag() == 0.0)


def test_a_long_transaction_makes_no_false_lag(
    start: Start,  # noqa: F811
    item: Item,
    wait_until: Wait,
) -> None:
    """Its rows were written long before it committed; only what came since the commit counts."""
    start().wait_ready()
    longest = [0.0]
    with another_session() as session:
        session.autocommit = False
        session.execute("UPDATE catalog_item SET amount = 9")
        # As if it had been open for an hour.
        session.execute("UPDATE kck_publish_change SET at = at - interval '1 hour'")
        (before,) = sql("SELECT caught_up_at FROM kck_publish_shard")
        wait_until(lambda: sql("SELECT caught_up_at FROM kck_publish_shard") > [before])
        assert lag() == 0.0  # not committed: nothing of it counts
        session.commit()

    def arrived() -> bool:
        longest.append(lag())
        return total(9)()

    wait_until(arrived)
    assert max(longest) < 5


def test_a_long_transaction_after_the_listener_has_gone(
    start: Start,  # noqa: F811
    item: Item,
) -> None:
    """Then the lag is at the most what has passed since the listener's last word."""
    assert start().wait_ready().end() == 0
    with another_session() as session:
        session.autocommit = False
        session.execute("UPDATE catalog_item SET amount = 9")
        session.execute("UPDATE kck_publish_change SET at = at - interval '1 hour'")
        session.commit()
    assert 0 < lag() < 60


def test_many_unhandled_changes_are_never_younger_than_they_are(
    start: Start,  # noqa: F811
    item: Item,
) -> None:
    """More than a reader looks at: then it is as long as since the listener's last word."""
    assert start().wait_ready().end() == 0
    sql("UPDATE kck_publish_shard SET caught_up_at = caught_up_at - interval '1 hour'")
    write(9)
    assert lag() < 60
    sql(
        'INSERT INTO catalog_item (name, "group", amount) '
        "SELECT 'n' || n, 2, n FROM generate_series(1, 600) n"
    )
    assert 3600 <= lag() < 3700


@pytest.mark.long
def test_the_check_costs_one_query_for_those_who_ask(
    start: Start,  # noqa: F811
    item: Item,
    impatient: None,
    wait_until: Wait,
) -> None:
    start(SHARDS=3).wait_ready()
    wait_until(lambda: sql("SELECT count(caught_up_at) FROM kck_publish_shard") == [(3,)])
    groups = [{"group": number} for number in range(5)]
    ItemTotal.cached.get_many(groups)
    ItemNames.cached.get_many(groups)
    with CaptureQueriesContext(connection) as queries:
        ItemTotal.cached.get_many(groups)
    assert len(queries) == 2  # the values, and the lag of all shards
    with CaptureQueriesContext(connection) as queries:
        ItemNames.cached.get_many(groups)
    assert len(queries) == 1


@pytest.mark.long
def test_status_names_what_nobody_follows(
    start: Start,  # noqa: F811
    item: Item,
) -> None:
    assert start().wait_ready().end() == 0
    sql("UPDATE kck_publish_shard SET seen_at = seen_at - interval '1 hour'")
    write(9)
    found = status()
    assert not found["healthy"]
    assert any("Shard 0 has been nobody's for 36" in problem for problem in found["problems"])
    assert found["shards"][0]["holds"] == 1
    assert stored("item_total/1") is not None
