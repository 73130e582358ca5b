"""Real ``kck_listen`` processes: started, stopped, killed, cut off; and the doorbell under stress.

Promise 2: nothing is lost, whatever happens to the listener. The seat belt never finds anything.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kck_publish import Cache
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import Session, another_session, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
ROOT = Path(__file__).parents[2]
Start = Callable[..., "Process"]


class Process:
    """A ``kck_listen``, or another command, and what it has said."""

    def __init__(
        self, environment: dict[str, str], *arguments: str, command: str = "kck_listen"
    ) -> None:
        self.popen = subprocess.Popen(
            [
                sys.executable,
                "-X",
                "faulthandler",
                "-W",
                "error",
                "-m",
                "django",
                command,
                *arguments,
            ],
            env=environment,
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.lines.append(line.rstrip())
            if "ready" in line:
                self._ready.set()

    def wait_ready(self) -> Process:
        if not self._ready.wait(float(os.environ.get("KCK_TEST_READY_SECONDS", "60"))):
            self.end(signal.SIGABRT)  # says where it is
            pytest.fail("\n".join(["not ready:", *self.lines]))
        return self

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit status."""
        self.popen.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.popen.wait(60)
        self._reader.join(10)
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        return code


@pytest.fixture
def start(process_environment: dict[str, str], wait_until: Any) -> Iterator[Start]:
    """Start a listener on this test's database, and see to it that it is gone afterwards."""
    started: list[Process] = []

    def start(*arguments: str, command: str = "kck_listen", **settings: Any) -> Process:
        environment = {**process_environment, "PYTHONPATH": str(ROOT)}
        if settings:
            environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.listener_settings"
            environment["KCK_TEST_PUBLISH"] = repr(settings)
        started.append(Process(environment, *arguments, command=command))
        return started[-1]

    yield start
    for one in started:
        if one.popen.poll() is None:
            one.end(signal.SIGKILL)
    # A killed process's sessions may be busy still, and the test's database is to be flushed.
    wait_until(lambda: sql(TERMINATE) == [(0,)])


TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
def item(transactional_db: None) -> Item:
    row = Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    return row


def total(amount: int) -> Callable[[], bool]:
    """Whether what is stored says so, whoever reads it."""

    def says() -> bool:
        entry = stored("item_total/1")
        return entry is not None and b'"amount":%d}' % amount in (entry.body or b"")

    return says


def drained() -> bool:
    """Whether the listener has handled everything."""
    from django.db import connection

    from kck_publish.log import reader

    with connection.cursor() as cursor:
        cursor.execute("SELECT done::text FROM kck_publish_shard")
        return all(not reader.any_unseen(cursor, done) for (done,) in cursor.fetchall())


def test_it_says_ready_follows_and_ends_on_sigterm(
    start: Start, item: Item, wait_until: Any
) -> None:
    listener = start().wait_ready()
    assert any("ready" in line for line in listener.lines)
    for amount in (6, 7, 8):
        sql("UPDATE catalog_item SET amount = %s", amount)
        wait_until(total(amount))
    assert sql("SELECT count(*) FROM kck_publish_listener") == [(1,)]
    assert listener.end() == 0
    assert sql("SELECT count(*) FROM kck_publish_listener") == [(0,)]  # nobody rings for it
    assert len(listener.lines) == 1, listener.lines


def test_sigint_ends_it_too(start: Start, item: Item) -> None:
    assert start().wait_ready().end(signal.SIGINT) == 0


def test_killed_and_replaced(start: Start, item: Item, wait_until: Any) -> None:
    first = start().wait_ready()
    sql("UPDATE catalog_item SET amount = 6")
    wait_until(total(6))
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    for number in range(100):
        sql(
            'INSERT INTO catalog_item (name, "group", amount) VALUES (%s, 1, 1) '
            "ON CONFLICT (name) DO UPDATE SET amount = catalog_item.amount + 1",
            f"n{number % 60}",
        )
    assert total(6)()  # no write waits for a listener, or fails without one
    start().wait_ready()
    wait_until(total(106))
    wait_until(drained)
    assert_fresh()
    assert all(stored(f"catalog.item/{row.pk}") for row in Item.objects.all())


@pytest.mark.long
def test_killed_in_the_middle_of_a_load(start: Start, item: Item, wait_until: Any) -> None:
    """Augmented values are amended exactly once, whenever the listener dies."""
    stop = threading.Event()

    def write() -> int:
        count = 0
        with another_session() as session:
            while not stop.is_set():
                session.execute("UPDATE catalog_item SET amount = amount + 1 WHERE name = 'one'")
                count += 1
        return count

    writer = Session(write)
    for _ in range(3):
        listener = start(MAX_BATCH=1).wait_ready()
        before = stored("item_total/1")
        wait_until(lambda before=before: stored("item_total/1") != before)
        listener.end(signal.SIGKILL)
    stop.set()
    written = writer.result()
    start().wait_ready()
    wait_until(total(5 + written))
    wait_until(drained)
    assert_fresh()


def test_once_drains_and_exits(start: Start, item: Item) -> None:
    sql("UPDATE catalog_item SET amount = 9")
    assert start("--once").wait() == 0
    assert total(9)()
    assert sql("SELECT count(*) FROM kck_publish_listener") == [(0,)]


def test_poll_needs_no_listen(start: Start, item: Item, wait_until: Any) -> None:
    start("--poll").wait_ready()
    assert sql("SELECT asleep FROM kck_publish_listener") == [(False,)]
    sql("UPDATE catalog_item SET amount = 9")
    wait_until(total(9))


def test_a_sleeping_listener_is_woken(start: Start, item: Item, wait_until: Any) -> None:
    start(LINGER=0.01, POLL_INTERVAL=600).wait_ready()
    for amount in range(20, 40):
        wait_until(lambda: sql("SELECT asleep FROM kck_publish_listener") == [(True,)])
        sql("UPDATE catalog_item SET amount = %s", amount)
        wait_until(total(amount))


@pytest.mark.long
def test_two_listeners_share_the_work_once(start: Start, item: Item, wait_until: Any) -> None:
    """The second one waits for the first one's shard, and takes it when that one dies."""
    first = start(POLL_INTERVAL=0.1).wait_ready()
    start(POLL_INTERVAL=0.1).wait_ready()
    sql("UPDATE catalog_item SET amount = 6")
    wait_until(total(6))
    first.end(signal.SIGKILL)
    sql("UPDATE catalog_item SET amount = 7")
    wait_until(total(7))
    wait_until(drained)
    assert_fresh()


LEVELS = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]


@contextmanager
def writers(levels: list[str], stop: threading.Event) -> Iterator[list[Session]]:
    """Sessions that commit at random moments, until told to stop."""
    import random

    def write(number: int, level: str) -> int:
        chance, count = random.Random(number), 0
        name = f"w{number}"
        with another_session() as session:
            session.execute(
                'INSERT INTO catalog_item (name, "group", amount) VALUES (%s, 2, 0)', [name]
            )
            while not stop.is_set():
                try:
                    with session.transaction():
                        session.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
                        session.execute("SELECT 1 FROM kck_publish_listener")  # the snapshot
                        stop.wait(chance.choice([0, 0.001, 0.01]))
                        session.execute(
                            "UPDATE catalog_item SET amount = amount + 1 WHERE name = %s", [name]
                        )
                        stop.wait(chance.choice([0, 0.001, 0.01, 0.03]))
                    count += 1
                except psycopg.errors.SerializationFailure:
                    continue
                stop.wait(chance.choice([0, 0.005, 0.02, 0.04]))
        return count

    yield [
        Session(lambda number=number, level=level: write(number, level))  # type: ignore[misc]
        for number, level in enumerate(levels)
    ]


@pytest.mark.long
@pytest.mark.parametrize("levels", [LEVELS, ["READ COMMITTED"] * 2], ids=["each level", "default"])
def test_the_seat_belt_never_finds_anything(
    start: Start, item: Item, wait_until: Any, levels: list[str]
) -> None:
    """Writers commit at every point of the listener's sleep, and it hears them all.

    The listener lingers no time at all, so it sleeps on, or falls asleep again; and its seat belt
    looks often, so that it would find what nobody rang for.
    """
    ItemTotal.cached.get(group=2)
    listener = start(LINGER=0.001, POLL_INTERVAL=0.05).wait_ready()
    stop = threading.Event()
    seconds = float(os.environ.get("KCK_TEST_STRESS_SECONDS", "4"))
    with writers(levels, stop) as sessions:
        stop.wait(seconds)  # the time that the stress lasts; nothing depends on it
        stop.set()
        count = sum(session.result() for session in sessions)
    assert count > 10
    expected = b'{"count":%d,"amount":%d}' % (len(levels), count)

    def arrived() -> bool:
        entry = stored("item_total/2")
        return entry is not None and entry.body == expected

    wait_until(arrived)
    wait_until(drained)
    before = sql("SELECT seen_at FROM kck_publish_listener")
    wait_until(lambda: sql("SELECT seen_at FROM kck_publish_listener") > before)
    assert listener.end() == 0
    assert not [line for line in listener.lines if "seat belt" in line]
    assert_fresh()


def test_a_follower_says_ready_follows_and_ends_on_sigterm(
    start: Start, item: Item, wait_until: Any
) -> None:
    process = start("tests.catalog.followers.Printer", command="kck_follow").wait_ready()
    sql("UPDATE catalog_item SET amount = 77")
    wait_until(lambda: "update 77" in process.lines, what="the change is handed on")
    assert process.end() == 0, process.lines
    sql("UPDATE catalog_item SET amount = 78")
    process = start("tests.catalog.followers.Printer", command="kck_follow").wait_ready()
    wait_until(lambda: "update 78" in process.lines, what="it goes on where it was")
    assert process.end() == 0, process.lines
    assert "update 77" not in process.lines
