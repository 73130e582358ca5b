"""A Follower: each committed row of its sources once, in order; each product as it is stored."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from kck_publish import (
    Cache,
    Change,
    ConfigurationError,
    Depends,
    Follower,
    StoredProduct,
    origin,
)
from kck_publish.capture.install import install
from kck_publish.exceptions import Forgotten
from kck_publish.following.stored_products import StoredStream
from kck_publish.listener.maintenance.forget import Forgetting
from kck_publish.log.trim import Trimming
from kck_publish.postgres import connect
from kck_publish.products import registry
from kck_publish.status import status
from tests.catalog.fixtures import Session, another_session, drain, sql
from tests.catalog.models import Box, Item
from tests.catalog.primers import ItemNames, ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


class Recorder(Follower):
    """Keeps what it is handed."""

    name = "recorder"

    def __init__(self) -> None:
        self.rows: list[tuple[str, Any]] = []
        self.pages: list[int] = []
        self.resets: list[str] = []
        self.fails_at = -1

    def changes(self, batch: list[Change]) -> None:
        if len(self.pages) == self.fails_at:
            raise RuntimeError("the broker refuses it")
        self.pages.append(len(batch))
        for change in batch:
            image = change.new or change.old or {}
            self.rows.append((change.op, image.get("name")))


class Boxes(Recorder):
    """Of a model that no product depends on; of one column."""

    sources = (Depends(Box, columns=["name"]),)


class Forgiving(Boxes):
    """Builds anew what it keeps."""

    def reset(self, reason: str) -> None:
        self.resets.append(reason)


class Products(Follower):
    """Keeps the products."""

    name = "products"
    products: ClassVar[tuple[str, ...]] = ("item_total",)

    def __init__(self) -> None:
        self.resets: list[str] = []
        self.batches: list[StoredProduct] = []

    def stored(self, batch: list[StoredProduct]) -> None:
        self.batches += batch

    def reset(self, reason: str) -> None:
        self.resets.append(reason)

    @property
    def last(self) -> StoredProduct | None:
        return self.batches[-1] if self.batches else None


@pytest.fixture(autouse=True)
def captured() -> Iterator[None]:
    """What the Followers of this module want is captured while its tests run, and only then.

    A test's own Followers are forgotten, too: else whichever test comes next finds a table that is
    to be captured and is not.
    """
    before = set(registry._followed)
    registry.follow("tests", [*Boxes.sources])
    install("default", registry.sources())
    yield
    for name in set(registry._followed) - before:
        registry.unfollow(name)
    install("default", registry.sources())
    connections["default"].close()


for declared in (Recorder, Boxes, Forgiving, Products):
    registry.unfollow(f"{declared.__module__}.{declared.__qualname__}")


def total() -> Any:
    return ItemTotal.cached.get(group=1)


@contextmanager
def following(follower: Follower, *, asleep: bool = False) -> Iterator[Session]:
    """It runs in a thread."""
    connected = follower.process.moments.connected.count
    session = Session(follower.run)
    try:
        assert follower.process.moments.connected.wait(120, after=connected)
        if asleep:
            assert follower.process.moments.asleep.wait(120)
        yield session
    finally:
        follower.stop()
        session.join(20)


def insert(*names: str) -> None:
    for name in names:
        sql("INSERT INTO catalog_box (name) VALUES (%s)", name)


def inserted(*names: str) -> list[tuple[str, str]]:
    return [("insert", name) for name in names]


def consumers() -> list[tuple[str, str]]:
    return [(one["name"], one["kind"]) for one in status().consumers]


def test_committed_rows_come_once_and_in_order(wait_until: Any) -> None:
    follower = Boxes()
    with following(follower, asleep=True), another_session(autocommit=False) as late:
        late.execute("INSERT INTO catalog_box (name) VALUES ('late')")
        with another_session(autocommit=False) as never:
            never.execute("INSERT INTO catalog_box (name) VALUES ('never')")
            never.rollback()
        insert("a", "b")
        wait_until(lambda: len(follower.rows) == 2)
        late.commit()
        wait_until(lambda: len(follower.rows) == 3)
        sql("UPDATE catalog_box SET name = 'c' WHERE name = 'a'")
        sql("UPDATE catalog_box SET name = name")
        sql("DELETE FROM catalog_box WHERE name = 'b'")
        wait_until(lambda: len(follower.rows) == 5)
        assert consumers() == [("recorder", "changes")]
    assert follower.rows == [
        *inserted("a", "b", "late"),
        ("update", "c"),
        ("delete", "b"),
    ]
    assert follower.process.moments.seat_belt.count == 0


def test_it_goes_on_where_it_was() -> None:
    with following(Boxes()):
        insert("a")
    insert("b")
    follower = Boxes()
    with following(follower, asleep=True):
        assert follower.rows in (inserted("a", "b"), inserted("b"))


def test_what_is_much_comes_in_pages_and_goes_on_after_the_last_handled(wait_until: Any) -> None:
    with following(Boxes()):
        pass
    sql("INSERT INTO catalog_box (name) SELECT 'n' || n FROM generate_series(1, 35) n")
    names = [f"n{number}" for number in range(1, 36)]
    with override_settings(KCK_PUBLISH={"MAX_BATCH": 10}):
        follower = Boxes()
        follower.fails_at = 2
        with pytest.raises(RuntimeError, match="refuses"):
            Session(follower.run).result()
        assert follower.rows == inserted(*names[:20])
        insert("later")
        again = Boxes()
        with following(again):
            wait_until(lambda: len(again.rows) == 16)
    assert again.rows == inserted(*names[20:], "later")
    assert again.pages == [10, 5, 1]


def test_a_batch_that_failed_comes_again() -> None:
    with following(Boxes()):
        pass
    insert("a")
    follower = Boxes()
    follower.fails_at = 0
    with pytest.raises(RuntimeError, match="refuses"):
        Session(follower.run).result()
    follower = Boxes()
    with following(follower, asleep=True):
        assert follower.rows == inserted("a")


def test_without_sources_it_is_handed_all_that_is_captured_with_its_origin(wait_until: Any) -> None:
    seen: list[Change] = []

    class All(Follower):
        name = "all"

        def changes(self, batch: list[Change]) -> None:
            seen.extend(batch)

    with following(All()):
        with origin("kafka"):
            Item.objects.create(name="x", group=1)
        wait_until(lambda: seen)
    assert {(change.source, change.origin) for change in seen} == {(Item, "kafka")}


def test_a_second_process_waits_until_the_first_has_ended(
    wait_until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Boxes(), Boxes()
    with following(first, asleep=True):
        session = Session(second.run)
        wait_until(lambda: "Another process follows as recorder" in caplog.text)
        insert("a")
        wait_until(lambda: first.rows == inserted("a"))
        assert not second.process.moments.connected.count
    assert second.process.moments.connected.wait(120)
    insert("b")
    wait_until(lambda: second.rows == inserted("b"))
    second.stop()
    session.result()


def trim() -> int:
    with connections["default"].cursor() as cursor:
        Trimming(0.0).trim(cursor)
    return int(sql("SELECT count(*) FROM kck_publish_change WHERE source = 'catalog_box'")[0][0])


def test_the_log_is_kept_for_it_until_it_is_forgotten() -> None:
    with following(Boxes()):
        pass
    insert("a")
    drain()
    assert trim() == 1
    call_command("kck_forget", "recorder")
    assert consumers() == []
    assert trim() == 0
    with pytest.raises(Forgotten, match="recorder"):
        Session(Boxes().run).result()
    assert trim() == 0, "for one that cannot go on nothing is kept"
    call_command("kck_forget", "recorder")  # it is to begin as a new one
    follower = Forgiving()
    with following(follower):
        assert follower.resets == ["new"]


def test_one_that_is_silent_is_forgotten_and_builds_anew(caplog: pytest.LogCaptureFixture) -> None:
    follower = Forgiving()
    with following(follower):
        assert follower.resets == ["new"]
    sql("UPDATE kck_publish_consumer SET seen_at = seen_at - interval '1 hour'")
    forgetful = override_settings(KCK_PUBLISH={"FORGET_AFTER": timedelta(minutes=1)})
    with forgetful, another_session() as desk:
        Forgetting(desk, {}).forget_followers()
    assert "recorder was silent for too long: forgotten" in caplog.text
    with following(follower := Forgiving()):
        assert follower.resets == ["forgotten"]


def test_one_that_is_forgotten_while_it_runs_builds_anew(wait_until: Any) -> None:
    follower = Forgiving()
    with following(follower, asleep=True):
        call_command("kck_forget", "recorder")
        wait_until(lambda: follower.resets == ["new", "forgotten"])
        insert("a")
        wait_until(lambda: follower.rows == inserted("a"))


@pytest.mark.parametrize("listener_first", [False, True])
def test_in_another_cluster_it_builds_anew(listener_first: bool) -> None:
    with following(Forgiving()):
        pass
    drain()
    sql("UPDATE kck_publish_consumer SET cluster = '1/' || current_database()")
    if listener_first:
        sql("UPDATE kck_publish_shard SET cluster = '1'")
        drain()
    with following(follower := Forgiving()):
        assert follower.resets == ["cluster"]


def test_products_come_as_they_are_stored(wait_until: Any) -> None:
    Item.objects.create(name="one", group=1, amount=5)
    assert total() == {"count": 1, "amount": 5}
    follower = Products()
    with following(follower, asleep=True):
        (first,) = follower.batches
        assert (first.key, first.value) == ("item_total/1", b'{"count":1,"amount":5}')
        sql("UPDATE catalog_item SET amount = 6")
        drain()
        wait_until(lambda: follower.last and follower.last.value == b'{"count":1,"amount":6}')
        assert follower.last is not None
        assert (follower.last.version or 0) > (first.version or 0) > 0
        cache.unset("item_total/1")
        gone = StoredProduct("item_total/1", None, None)
        wait_until(lambda: follower.last == gone)
        ItemTotal.cached.get(group=1)  # a reader primes it
        wait_until(lambda: follower.last and follower.last.value == b'{"count":1,"amount":6}')
        assert consumers() == [("products", "stored")]
    assert {one.key for one in follower.batches} == {"item_total/1"}


def test_what_nobody_wanted_is_passed_over() -> None:
    """A hub that is asked for a key would find its old writes, and say that nobody had rung."""
    seen: list[str] = []
    wanted: list[str] = []
    with connect("default") as desk:
        stream = StoredStream(
            desk,
            "passing",
            lambda reason: None,
            lambda batch: seen.extend(one.key for one in batch),
            wanted,
        )
        assert total() == {"count": 0, "amount": 0}
        assert not stream.look()
        wanted.append("item_total")
        assert not stream.look()
        cache.refresh("item_total/1", queued=False)
        cache.unset("item_total/1")
        assert stream.look()
    assert seen == ["item_total/1"]


def test_what_a_reader_adds_comes_too(wait_until: Any) -> None:
    """By one statement, or in the snapshot of its compute, whose writes are told always."""

    class Both(Products):
        products = ("item_total", "item_names")

    Item.objects.create(name="one", group=1, amount=5)
    follower = Both()
    with following(follower, asleep=True):
        for product in (ItemNames, ItemTotal):
            product.cached.get(group=1)
            key = f"{product.key}/1"
            wait_until(lambda key=key: follower.last is not None and follower.last.key == key)


def test_a_removal_that_is_handed_on_again_is_of_the_same_transaction() -> None:
    class Failing(Products):
        def stored(self, batch: list[StoredProduct]) -> None:
            super().stored(batch)
            raise RuntimeError("the broker refuses it")

    Item.objects.create(name="one", group=1, amount=5)
    total()
    with following(Products(), asleep=True):
        pass
    cache.unset("item_total/1")
    failing, follower = Failing(), Products()
    with pytest.raises(RuntimeError, match="refuses"):
        Session(failing.run).result()
    sql("SELECT pg_current_xact_id()")  # whatever else is committed in between
    with following(follower, asleep=True):
        (removal,) = failing.batches
        assert follower.batches == [removal] == [StoredProduct("item_total/1", None, None)]
        assert follower.batches[0].written_in == removal.written_in is not None
        ends = [int(one.read_at.split(":")[1]) for one in (removal, follower.batches[0])]
        assert ends[0] < ends[1]


def test_products_begin_anew_where_the_journal_was_lost(wait_until: Any) -> None:
    Item.objects.create(name="one", group=1, amount=5)
    total()
    with following(Products()):
        pass
    sql("TRUNCATE kck_publish_copy")  # as a crash of the server does
    follower = Products()
    with following(follower, asleep=True):
        assert follower.resets == ["crashed"]
        assert [one.key for one in follower.batches] == ["item_total/1"]
        sql("TRUNCATE kck_publish_entry CASCADE")
        wait_until(lambda: follower.resets == ["crashed", "truncated"])


async def awaited(self: Any, batch: Any) -> None:
    """Nobody awaits it, and the cursor would move on."""


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (lambda: type("Nameless", (Boxes,), {"name": ""}), "needs a name"),
        (lambda: type("Shard", (Boxes,), {"name": "shard:0"}), "needs a name"),
        (lambda: type("Idle", (Follower,), {"name": "idle"}), "follows nothing"),
        (lambda: type("Keyed", (Boxes,), {"sources": [Depends(Box, box="pk")]}), "takes models"),
        (lambda: type("Numbered", (Boxes,), {"name": 5}), "name is a text"),
        (lambda: type("Lost", (Boxes,), {"changes": awaited}), "must not be async def"),
        (lambda: type("Bare", (Boxes,), {"sources": Box}), "sources takes a list"),
        (lambda: type("Part", (Boxes,), {"products": "item_total"}), "products takes a list"),
        (lambda: type("Class", (Boxes,), {"products": [ItemTotal]}), "products takes names"),
        (lambda: type("Chained", (Boxes,), {"sources": [Depends("item_total")]}), "takes models"),
    ],
)
def test_a_follower_that_cannot_work_is_refused(
    declare: Callable[[], type[Follower]], problem: str
) -> None:
    def run() -> None:
        declare()().run()

    with pytest.raises(ConfigurationError, match=problem):
        Session(run).result()


def test_threads_that_ask_at_once_have_one_process() -> None:
    """One runs it, and another stops it."""

    class Asked(Follower):
        name = "asked"

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(200):
                follower, together = Asked(), threading.Barrier(4)

                def ask(follower: Asked = follower, together: Any = together) -> object:
                    together.wait(60)
                    return follower.process

                asked = [pool.submit(ask) for _ in range(4)]
                assert len({id(future.result()) for future in asked}) == 1
    finally:
        sys.setswitchinterval(interval)
