"""Falling asleep, step by step: at whatever point a writer commits, it is seen or it rings.

The listener's real code falls asleep again and again; between each two of its steps the test lets
a writer's next step happen, in every order there is. Nothing runs beside anything else, so each
schedule is the same each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import combinations_with_replacement
from typing import Any

import pytest
from django.db import connections

from kck_publish.following import doorbell
from kck_publish.following.doorbell import Doorbell
from kck_publish.listener import listener, shard_batch
from kck_publish.listener.shard_loop import ShardLoop
from tests.catalog.fixtures import another_session, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
Step = Callable[[], Any]


class Schedule:
    """A writer's steps, each to be done before the n-th step of the listener."""

    def __init__(self) -> None:
        self.todo: list[tuple[int, Step]] = []
        self.count = 0
        self.trace: list[str] = []

    def begin(self, todo: list[tuple[int, Step]]) -> None:
        self.todo, self.count, self.trace = todo, 0, []

    def before(self, name: str) -> None:
        """The listener is about to do this."""
        while self.todo and self.todo[0][0] <= self.count:
            self.next()
        self.trace.append(name)
        self.count += 1

    def next(self) -> None:
        """The writer's next step."""
        _, step = self.todo.pop(0)
        self.trace.append(f"writer: {step.__name__}")
        step()

    def finish(self) -> None:
        while self.todo:
            self.next()


class Desk:
    """The doorbell's connection: what it asks is a step, and so is the commit of what it writes.

    What goes to the server as one message is done there one by one: so it is here.
    """

    def __init__(self, desk: Any, schedule: Schedule) -> None:
        self._desk, self._schedule, self.info = desk, schedule, desk.info

    def execute(self, query: str, *arguments: Any) -> Any:
        name = query.strip().split("\n")[0][:40]
        if name != "BEGIN":
            self._schedule.before(name)
        return self._desk.execute(query, *arguments)


class Sleeper(ShardLoop):
    """A listener's loop that stops where it would wait to be woken."""

    schedule: Schedule

    def look(self, rung: bool = False, once: bool = False) -> bool:
        self.schedule.before("look")
        return super().look(rung, once)

    def wait_for_ring(self) -> bool:
        self.schedule.before("wait for a ring")
        self.schedule.finish()
        (place,) = self.worker.owned.values()
        if shard_batch.waits(self.worker.desk, place):
            # What is not handled now has rung, or nobody will ever tell: no time is enough then.
            assert self.bell.wait(5), f"nobody rang: {self.schedule.trace}"
        return True


@pytest.fixture
def sleeper(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sleeper]:
    """A listener that follows the log, in this thread."""
    Item.objects.create(name="one", group=1, amount=0)
    ItemTotal.cached.get(group=1)
    monkeypatch.setattr(listener, "ShardLoop", Sleeper)
    with listener.Listener("default", say=lambda line: None).connected() as loop:
        assert isinstance(loop, Sleeper)
        loop.schedule = Schedule()
        bell, wait = loop.bell, loop.bell.wait
        monkeypatch.setattr(bell, "_desk", Desk(bell._desk, loop.schedule))
        monkeypatch.setattr(doorbell, "together", nullcontext)

        def waited(seconds: float) -> bool:
            loop.schedule.before("wait a moment")
            return wait(min(seconds, 0.001) if seconds < 1 else seconds)

        monkeypatch.setattr(bell, "wait", waited)
        monkeypatch.setattr(bell, "pause", waited)
        yield loop
    connections["default"].close()


@contextmanager
def writing(level: str) -> Iterator[list[Step]]:
    """The steps of a transaction that writes, at an isolation level."""
    with another_session() as session:

        def look() -> None:  # above READ COMMITTED this is the snapshot
            session.execute(f"BEGIN ISOLATION LEVEL {level}")
            session.execute("SELECT count(*) FROM kck_publish_listener")

        def write() -> None:
            session.execute("UPDATE catalog_item SET amount = amount + 1")

        def commit() -> None:
            session.execute("COMMIT")

        yield [look, write, commit]


def forget_rings(bell: Doorbell, turn: int) -> None:
    """What a schedule has left unheard must not help the next one."""
    assert bell._ear is not None
    sql("SELECT pg_notify(%s, %s)", bell._channel(), str(turn))
    for ring in bell._ear.notifies(timeout=10):
        if ring.payload == str(turn):
            return
    pytest.fail("LISTEN does not work")


# One round of the listener's: say so, commit that, begin a transaction, end it, look who runs, look
# at the log; then wait, look who runs, drain again and again.
ROUNDS = {"READ COMMITTED": 12, "REPEATABLE READ": 9, "SERIALIZABLE": 7}


@pytest.mark.long
@pytest.mark.parametrize("level", ROUNDS)
def test_a_writer_is_seen_or_rings_wherever_it_commits(sleeper: Sleeper, level: str) -> None:
    bell, turns = sleeper.bell, 0
    with writing(level) as steps:
        for turns, moments in enumerate(
            combinations_with_replacement(range(ROUNDS[level]), len(steps)), 1
        ):
            sleeper.schedule.begin(list(zip(moments, steps, strict=True)))
            assert sleeper.sleep()
            sleeper.schedule.finish()
            sleeper.worker.drain()
            assert sql("SELECT asleep FROM kck_publish_listener") == [(False,)]
            forget_rings(bell, turns)
            entry = stored("item_total/1")
            assert entry is not None
            assert entry.body == b'{"count":1,"amount":%d}' % turns, sleeper.schedule.trace
    assert turns > 15
