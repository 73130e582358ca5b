"""Refreshes that fail, each word of it; and failures that cannot even be written down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import pytest

from kck_publish import Behind, Cache, Retry
from kck_publish.following.capture import CaptureWatch
from kck_publish.listener import shard_batch
from kck_publish.listener.listener import Listener
from kck_publish.testing import assert_fresh, travel
from tests.catalog.fixtures import (
    Session,
    another_session,
    computes,
    drain,
    interfering,
    sql,
    stored,
)
from tests.catalog.models import Item
from tests.catalog.primers import Fragile, ItemTotal
from tests.integration.test_commands import run, status

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("over")]
cache = Cache.get_instance()


class Broken(Exception):  # noqa: N818
    pass


@contextmanager
def broken(error: type[Exception] = Broken) -> Iterator[None]:
    def fail(product: str, parameters: Any) -> None:
        if product == "fragile" and parameters["group"] == 1:
            raise error

    with interfering(fail):
        yield


@pytest.fixture
def item(transactional_db: None) -> Item:
    row = Item.objects.create(name="one", group=1, amount=5)
    Item.objects.create(name="two", group=2, amount=5)
    for group in (1, 2):
        Fragile.cached.get(group=group)
    ItemTotal.cached.get(group=1)
    drain()
    return row


@contextmanager
def unwritable(how: str) -> Iterator[None]:
    """Nothing can be written into the table of failures."""
    if how == "locked":
        with another_session() as session, session.transaction():
            session.execute("LOCK TABLE kck_publish_failure IN SHARE MODE")
            yield
        return
    sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    sql(
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON kck_publish_failure "
        "FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    try:
        yield
    finally:
        sql("DROP FUNCTION refuse() CASCADE")


@pytest.mark.long
@pytest.mark.parametrize("how", ["refused", "locked"])
def test_a_failure_that_cannot_be_recorded_stops_nothing(
    item: Item, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of the batch is written, the key is marked, and tried again until it is right."""
    Item.objects.update(amount=9)
    with unwritable(how), broken(), caplog.at_level(logging.ERROR, "kck_publish"):
        drain()
        assert stored("fragile/2").body == b"[9]"  # type: ignore[union-attr]
        assert stored("item_total/1").body == b'{"count":1,"amount":9}'  # type: ignore[union-attr]
        one = stored("fragile/1")
        assert one is not None
        assert (one.body, one.behind) == (b"[5]", True)
        assert "fragile/1" in caplog.text
        assert sql("SELECT count(*) FROM kck_publish_failure") == [(0,)]
        assert sql("SELECT owed FROM kck_publish_shard") == [(["fragile/1"],)]
        assert any("could not be recorded" in one for one in status()["problems"])
        with computes() as seen:  # a restart has not forgotten it
            drain()
        assert seen == ["fragile"]
    with broken():
        drain()  # now it can be recorded, and is a failure as any other
    assert sql("SELECT attempts FROM kck_publish_failure") == [(1,)]
    assert sql("SELECT owed FROM kck_publish_shard") == [([],)]
    with travel(timedelta(minutes=2)):
        drain()
    assert not stored("fragile/1").behind  # type: ignore[union-attr]
    assert sql("SELECT count(*) FROM kck_publish_failure") == [(0,)]
    assert_fresh()


@pytest.mark.parametrize(("how", "again"), [("locked", False), ("locked", True), ("refused", True)])
def test_what_cannot_be_written_of_a_retry_is_not_retried_at_once(
    item: Item,
    how: str,
    again: bool,
    wait_until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the listener would compute the key again and again, and do nothing else."""
    monkeypatch.setattr(shard_batch, "UNWRITTEN", timedelta(hours=1))  # as long as a busy machine
    CaptureWatch("default").look()  # an earlier test's TRUNCATE is no news to the listener below
    Item.objects.update(amount=9)
    with broken():
        drain()
    listener = Listener("default", say=lambda line: None)
    once_more = broken() if again else nullcontext()
    with travel(timedelta(minutes=2)), unwritable(how), computes() as seen, once_more:
        session = Session(listener.once)
        wait_until(lambda: not session.is_alive() or len(seen) > 2)
        listener.stop()
        session.result()
    assert seen == ["fragile"]
    with travel(timedelta(minutes=4)):
        drain()
    assert stored("fragile/1").body == b"[9]"  # type: ignore[union-attr]
    assert sql("SELECT count(*) FROM kck_publish_failure") == [(0,)]
    assert_fresh()


def test_what_is_owed_is_settled_by_a_refresh(item: Item) -> None:
    Item.objects.update(amount=9)
    with unwritable("refused"), broken():
        drain()
    Item.objects.update(amount=10)
    drain()
    assert stored("fragile/1").body == b"[10]"  # type: ignore[union-attr]
    assert sql("SELECT owed FROM kck_publish_shard") == [([],)]


def test_an_error_from_where_postgresql_cannot_say(item: Item) -> None:
    """A file's name need not be text."""
    code = compile("raise KeyError", "odd\udc80.py", "exec")
    Item.objects.update(amount=9)
    with interfering(lambda product, parameters: exec(code) if product == "fragile" else None):
        drain()
    errors = [error for (error,) in sql("SELECT traceback FROM kck_publish_failure")]
    assert len(errors) == 2
    assert all("odd\\udc80.py" in error for error in errors)


def test_when_behind_counts_for_a_failing_key(item: Item, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marked from the first failure on, as a dead letter too, and no other key is."""
    Item.objects.update(amount=9)
    monkeypatch.setattr(Fragile, "retry", Retry(max_retries=0))
    with broken():
        drain()
    assert status()["dead_letters"] == 1
    sql("SELECT set_config('kck_publish.wrote', '', false)")
    assert Fragile.cached.get(group=1) == [5]
    monkeypatch.setattr(Fragile, "when_behind", "raise")
    with pytest.raises(Behind, match="its refresh fails"):
        Fragile.cached.get(group=1)
    assert Fragile.cached.get(group=2) == [9]
    monkeypatch.setattr(Fragile, "when_behind", "compute")
    assert Fragile.cached.get(group=1) == [9]
    with broken(), pytest.raises(Broken):
        Fragile.cached.get(group=1)
    assert stored("fragile/1").body == b"[5]"  # type: ignore[union-attr]
    run("kck_dead_letters", "retry", "fragile/1")
    drain()
    assert Fragile.cached.get(group=1) == [9]
    assert not stored("fragile/1").behind  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("policy", "dead"),
    [
        (Retry(include=[Broken]), False),  # type: ignore[arg-type]
        (Retry(include=[KeyError]), True),  # type: ignore[arg-type]
        (Retry(exclude=[Broken]), True),  # type: ignore[arg-type]
        (Retry(exclude=[KeyError]), False),  # type: ignore[arg-type]
        (Retry(max_retries=-1), False),
        (Retry(max_retries=0), True),
    ],
)
def test_which_errors_are_retried(
    item: Item, policy: Retry, dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fragile, "retry", policy)
    Item.objects.update(amount=9)
    with broken():
        drain()
    assert status()["dead_letters"] == int(dead)
    assert status()["queue"]["retries"] == int(not dead)


def test_delays_grow_are_capped_and_differ() -> None:
    policy = Retry(delay=timedelta(seconds=10))
    waits = [policy.wait(attempt).total_seconds() for attempt in range(1, 12)]
    for attempt, seconds in enumerate(waits):
        expected = min(10 * 2**attempt, 3600)
        assert expected <= seconds <= 1.2 * expected  # never shorter than declared
    assert len({policy.wait(1) for _ in range(20)}) > 1
    even = Retry(delay=timedelta(seconds=10), backoff=False)
    assert all(10 <= even.wait(attempt).total_seconds() <= 12 for attempt in range(1, 9))


def test_a_retry_that_a_clock_far_ahead_has_put_off_is_not_waited_for(item: Item) -> None:
    item.amount = 7
    item.save()
    with travel(timedelta(days=3650)), broken():
        drain()
    drain()
    assert_fresh()
