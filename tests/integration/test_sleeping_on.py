"""A listener sleeps on after a ring: nothing that comes meanwhile is lost, and nobody looks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from kck_publish import Cache, Depends, IntegerParameter, Primer, Reprime, postgres
from kck_publish.following import loop
from kck_publish.following.doorbell import Doorbell
from kck_publish.listener import shard_batch, shard_loop, signs_of_life
from kck_publish.listener.listener import Listener
from kck_publish.listener.session import BatchSession
from kck_publish.listener.shard_loop import ShardLoop
from kck_publish.products import registry
from tests.catalog.fixtures import Session, another_session, listening, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
NEVER = {"LINGER": 0.000001, "POLL_INTERVAL": 3600.0}
IS_CROWDED = ShardLoop.is_crowded
MOVE_ON = """
UPDATE kck_publish_entry SET body = '{"count":1,"amount":77}', stamp = pg_current_snapshot(),
       version = nextval('kck_publish_version') WHERE key = 'item_total/1'
"""
ONE_MORE = "UPDATE catalog_item SET amount = amount + 1"


@pytest.fixture(autouse=True)
def nothing_but_rings(
    settings: Any, monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    """No beat and no round finds what nobody has rung for; and no other test counts as a load."""
    settings.KCK_PUBLISH = NEVER
    monkeypatch.setattr(ShardLoop, "is_crowded", False)
    for module in (loop, signs_of_life, shard_loop):
        monkeypatch.setattr(module, "BEAT", 3600.0)
    Item.objects.create(name="one", group=1, amount=0)
    ItemTotal.cached.get(group=1)


def is_total(amount: int) -> bool:
    entry = stored("item_total/1")
    return entry is not None and entry.body == b'{"count":1,"amount":%d}' % amount


class Meanwhile:
    """Has something happen once, before or after a call of the listener's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.does: Callable[[], object] | None = None

    def before(self, owner: Any, name: str) -> None:
        call = getattr(owner, name)

        def called(*args: Any, **named: Any) -> Any:
            self._happens()
            return call(*args, **named)

        self._monkeypatch.setattr(owner, name, called)

    def after(self, owner: Any, name: str) -> None:
        call = getattr(owner, name)

        def called(*args: Any, **named: Any) -> Any:
            answer = call(*args, **named)
            self._happens()
            return answer

        self._monkeypatch.setattr(owner, name, called)

    def _happens(self) -> None:
        does, self.does = self.does, None
        if does is not None:
            does()


@pytest.mark.parametrize(
    ("when", "owner", "name"),
    [
        ("before", ShardLoop, "look"),
        ("before", shard_batch, "_open"),
        ("after", shard_batch, "_open"),
        ("before", BatchSession, "writing"),
        ("after", shard_batch, "batch"),
        ("after", ShardLoop, "look"),
    ],
)
def test_a_change_while_another_is_handled(
    when: str,
    owner: Any,
    name: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., Any],
) -> None:
    monkeypatch.setattr(loop, "BUSY", 1000)  # on a busy machine each ring comes at once
    meanwhile = Meanwhile(monkeypatch)
    getattr(meanwhile, when)(owner, name)
    with listening(), another_session() as other:
        for total in range(2, 12, 2):
            meanwhile.does = lambda: other.execute(ONE_MORE)
            sql(ONE_MORE)
            wait_until(lambda total=total: is_total(total))
            assert sql("SELECT asleep FROM kck_publish_listener") == [(True,)]


def test_what_a_lock_has_kept_from_being_handled(
    settings: Any, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    """It is tried again until the lock is let go, though nobody rings any more."""
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT", "100ms")
    tried = threading.Event()
    meanwhile = Meanwhile(monkeypatch)
    meanwhile.after(ShardLoop, "look")
    with listening(), another_session(autocommit=False) as other:
        other.execute("LOCK TABLE kck_publish_entry IN SHARE MODE")
        meanwhile.does = tried.set
        sql(ONE_MORE)
        assert tried.wait(60)
        other.rollback()
        wait_until(lambda: is_total(1))


def test_it_does_not_fall_asleep_on_what_a_lock_has_stopped(
    settings: Any, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    """Of a change that came as it fell asleep."""
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT", "100ms")
    listener = Listener("default", say=lambda line: None)
    meanwhile, tried = Meanwhile(monkeypatch), threading.Event()
    with another_session(autocommit=False) as other:

        def lock_and_change() -> None:
            sql(ONE_MORE)
            other.execute("LOCK TABLE kck_publish_entry IN SHARE MODE")
            after.does = tried.set

        after = Meanwhile(monkeypatch)
        after.after(ShardLoop, "look")
        meanwhile.before(Doorbell, "asleep")
        meanwhile.does = lock_and_change
        following = Session(listener.run)
        try:
            assert tried.wait(60)
            other.rollback()
            wait_until(lambda: is_total(1))
        finally:
            listener.stop()
            following.result()


def test_writers_at_once_get_it_up(
    settings: Any, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    """Each ring waits for the commit of the one before: the listener has it no more."""
    monkeypatch.setattr(ShardLoop, "is_crowded", IS_CROWDED)
    with listening(), another_session(autocommit=False) as other:
        settings.KCK_PUBLISH = NEVER | {"LINGER": 3600.0}
        other.execute("SELECT pg_current_xact_id()")
        for total in range(1, loop.BUSY + 1):
            sql(ONE_MORE)
            wait_until(lambda total=total: is_total(total))
        wait_until(lambda: sql("SELECT asleep FROM kck_publish_listener") == [(False,)])


@pytest.mark.long
def test_what_another_shard_of_the_same_listener_is_told(
    settings: Any, wait_until: Callable[..., Any]
) -> None:
    """The listener gets up for the cascade."""

    class Doubled(Primer):
        """Made of a product that is amended, so that only the log tells of a change."""

        key = "on_doubled"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends("item_total", group="group"),)

        def compute(self, group: int) -> int:
            return 2 * int(ItemTotal.cached.get(group=group)["amount"])

        def augment(self, value: int, change: Any, group: int) -> int:
            raise Reprime

    try:
        for shards in (1, 2, 3, 4, 5):
            Cache.get_instance().get("on_doubled/1")
            settings.KCK_PUBLISH = NEVER | {"SHARDS": shards}
            with listening():
                (amount,) = sql(f"{ONE_MORE} RETURNING amount")[0]
                wait_until(lambda amount=amount: is_total(amount))
                wanted = str(2 * amount).encode()
                wait_until(lambda w=wanted: (e := stored("on_doubled/1")) and e.body == w)
    finally:
        registry.unregister("on_doubled")


def test_what_the_write_of_a_batch_has_found_moved(
    settings: Any, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    """A value that was read has become another before the write: the listener rings for itself."""

    class Seen(Primer):
        """Reads a product that it does not declare."""

        key = "on_seen"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Item, group="group", columns=["name"]),)

        def compute(self, group: int) -> int:
            return int(ItemTotal.cached.get(group=group)["amount"])

    meanwhile = Meanwhile(monkeypatch)
    meanwhile.before(BatchSession, "writing")
    try:
        Cache.get_instance().get("on_seen/1")
        with listening(), another_session() as other:
            meanwhile.does = lambda: other.execute(MOVE_ON)
            sql("UPDATE catalog_item SET name = 'two'")
            wait_until(lambda: (e := stored("on_seen/1")) and e.body == b"77")
    finally:
        registry.unregister("on_seen")


def test_a_load_that_it_is_behind_of_gets_it_up(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nobody rings, until there is no change for a while."""
    monkeypatch.setattr(loop, "BUSY", 3)
    up = "SELECT 1 FROM kck_publish_listener WHERE NOT asleep"
    seen = threading.Event()
    meanwhile = Meanwhile(monkeypatch)
    with listening():
        settings.KCK_PUBLISH = NEVER | {"LINGER": 3600.0}

        def again() -> None:
            if sql(up):
                seen.set()
            else:
                meanwhile.does = again
                sql(ONE_MORE)

        meanwhile.before(ShardLoop, "look")
        meanwhile.does = again
        sql(ONE_MORE)
        assert seen.wait(60)
