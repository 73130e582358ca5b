"""The near store, with its follower in a thread of the test: the promises with it on."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from kck_publish import Behind, Cache, ConfigurationError, KeyParameterMismatch
from kck_publish.listener.near_copy import Copying
from kck_publish.listener.near_follower import NearFollower
from kck_publish.listener.near_loop import following
from kck_publish.postgres import Cursor
from kck_publish.products import registry
from kck_publish.reading.counts import counts
from kck_publish.reading.http import etag_of, tagged
from kck_publish.request import GlobalRequest
from kck_publish.stores import UNTOLD, Stored, Written
from kck_publish.stores.near import journal
from kck_publish.stores.near import reader as near_reader
from kck_publish.stores.near.format import clock
from tests.catalog import primers
from tests.catalog.fixtures import another_session, drain, lease_of, sql, told
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
Read = Callable[[], Any]
KEY = "item_total/1"


@pytest.fixture
def path(tmp_path: Path, settings: Any) -> str:
    settings.KCK_PUBLISH = {"NEAR": str(tmp_path / "near"), "NEAR_LEASE": 0.5}
    return str(tmp_path / "near")


@pytest.fixture
def follower(path: str) -> Iterator[NearFollower]:
    follower = NearFollower("default")
    with following(follower):
        assert follower.following.wait(20)
        yield follower
    near_reader.reader(path).close()


@pytest.fixture
def held(path: str) -> Callable[..., bytes]:
    """The body that the near store has for a key; empty when it has none."""

    def held(key: str = KEY) -> bytes:
        product = registry.find(key)
        assert product is not None
        entry = near_reader.reader(path).get(key, product.fingerprint)
        return b"" if entry is None else entry.body or b""

    return held


@pytest.fixture
def alone(wait_until: Any) -> Callable[[Read], Any]:
    """What is read without asking PostgreSQL anything, once the lease is there, if it is late."""

    def alone(read: Read) -> Any:
        found: list[Any] = []

        def is_alone() -> bool:
            with CaptureQueriesContext(connection) as queries:
                found.append(read())
            return not queries

        wait_until(is_alone)
        return found[-1]

    return alone


def nobody_follows() -> bool:
    """Whether a stopped follower has come to its end: no process may open a file twice."""
    return all(one.name != "kck_publish near store" for one in threading.enumerate())


def total() -> int:
    return int(ItemTotal.cached.get(group=1)["amount"])


@pytest.fixture
def item(follower: NearFollower, held: Any, wait_until: Any) -> Item:
    """An item whose group's total, 5, is held."""
    row = Item.objects.create(name="one", group=1, amount=5)
    drain()
    assert total() == 5
    drain()
    connection.close()
    wait_until(lambda: total() == 5 and held(), what="held")
    return row


def test_what_is_read_is_held_and_costs_no_query(item: Item, alone: Any, wait_until: Any) -> None:
    assert alone(total) == 5
    assert alone(lambda: ItemTotal.cached.get_bytes(group=1)) == b'{"count":1,"amount":5}'
    assert alone(lambda: cache.get(KEY)) == {"count": 1, "amount": 5}
    wait_until(lambda: Item.cached.get(pk=item.pk) and near_has(item), what="the row")
    assert alone(lambda: Item.cached.get(pk=item.pk)) == item
    with GlobalRequest():
        assert alone(total) == 5


def test_an_http_answer_is_counted_as_a_read(
    item: Item, alone: Any, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whatever kind of value it was asked for: the URL's text, or the parameter's own."""
    product = registry.get("item_total")
    gc.collect()  # what tests before have made anew is counted no more from now on
    monkeypatch.setattr(counts, "_most", 0)
    monkeypatch.setattr(counts, "near_missed", 0)
    for group in (1, "1"):
        alone(lambda group=group: tagged(product, {"group": group}))
        before = counts.by_tier()["near"]
        with django_assert_num_queries(0):
            answers = [tagged(product, {"group": group}) for _ in range(3)]
        assert {answer.body for answer in answers} == {b'{"count":1,"amount":5}'}
        assert {answer.etag for answer in answers} == {etag_of(answers[0].body)}
        assert counts.by_tier()["near"] == before + 3


def test_settings_hold_at_once_also_those_changed_in_place(
    item: Item, alone: Any, settings: Any, django_assert_num_queries: Any
) -> None:
    assert alone(total) == 5
    near_path, here = settings.KCK_PUBLISH["NEAR"], settings.KCK_PUBLISH
    here["ENABLED"] = False
    with django_assert_num_queries(1):
        assert total() == 5
    here["ENABLED"] = True
    assert total() == 5
    assert alone(total) == 5
    settings.KCK_PUBLISH = {**here, "NEAR": None}
    with django_assert_num_queries(1):
        assert total() == 5
    settings.KCK_PUBLISH = {**here, "NEAR": near_path}
    assert total() == 5
    assert alone(total) == 5


def test_many_rows_are_read_at_once_those_that_are_not_held_too(
    item: Item, alone: Any, wait_until: Any
) -> None:
    other = Item.objects.create(name="two", group=1, amount=7)
    drain()
    connection.close()
    both = {item.pk: item, other.pk: other}
    wait_until(lambda: Item.cached.in_bulk(both) == both and near_has(item) and near_has(other))
    rows = alone(lambda: Item.cached.in_bulk([item.pk, other.pk, item.pk]))
    assert rows == both
    assert all(row._state.db == "default" and not row._state.adding for row in rows.values())
    assert alone(lambda: Item.cached.in_bulk([str(item.pk)])) == {item.pk: item}
    assert Item.cached.in_bulk([item.pk, other.pk + 1]) == {item.pk: item}
    assert alone(lambda: Item.cached.get(pk=str(item.pk))) == item
    with pytest.raises(Item.DoesNotExist):
        Item.cached.get(pk=other.pk + 1)
    with pytest.raises(KeyParameterMismatch):
        Item.cached.get(pk=[item.pk])
    with pytest.raises(KeyParameterMismatch):
        ItemTotal.cached.get(group=10**5000)


def test_a_product_that_is_declared_anew_is_read_in_its_own_way(item: Item, alone: Any) -> None:
    assert alone(total) == 5
    product = registry.get("item_total")
    registry.register(product, replaces=lambda other: True)
    assert cast("Any", ItemTotal.cached._known).graph is not registry.graph()
    assert total() == 5
    assert cast("Any", ItemTotal.cached._known).graph is registry.graph()


def near_has(item: Item) -> bool:
    from kck_publish.reading import near as reading_near

    return reading_near.lookup_of(registry.get("catalog.item")).find_many([item.pk])[0] is not None


@pytest.mark.parametrize(
    ("write", "body"),
    [
        ("UPDATE catalog_item SET amount = 6", b'{"count":1,"amount":6}'),
        ("TRUNCATE catalog_item CASCADE", b'{"count":0,"amount":0}'),
        ("DELETE FROM kck_publish_entry", b""),
        ("TRUNCATE kck_publish_entry, kck_publish_edge", b""),
    ],
)
def test_what_another_session_changes_arrives(
    item: Item, held: Any, wait_until: Any, write: str, body: bytes
) -> None:
    with another_session() as other:
        other.execute(write)
    drain()
    wait_until(lambda: held() == body, what=write)


def test_a_rolled_back_write_arrives_never(item: Item, held: Any, alone: Any) -> None:
    with another_session(autocommit=False) as other:
        other.execute("UPDATE catalog_item SET amount = 6")
        other.execute("UPDATE kck_publish_entry SET body = 'null'")
        other.rollback()
    assert alone(total) == 5


def test_hand_written_keys_arrive_and_are_seen_by_who_wrote_them(
    item: Item, held: Any, wait_until: Any
) -> None:
    cache.set(KEY, {"count": 9, "amount": 9})
    assert total() == 9  # at once, wherever it is
    wait_until(lambda: held() == b'{"count":9,"amount":9}')
    assert total() == 9
    with transaction.atomic():
        cache.set(KEY, {"count": 8, "amount": 8})
        assert (
            total() == 9
        )  # a primer's key is written after the commit: no row is locked until then
        transaction.set_rollback(True)
    assert total() == 9
    cache.unset(KEY)
    assert total() == 5
    cache.clear()
    wait_until(lambda: held() == b"")


def test_own_writes_are_visible_at_once_and_until_the_copy_has_them(
    item: Item, held: Any, follower: NearFollower, wait_until: Any, alone: Any
) -> None:
    """Promise 8: the store has the write sooner than its copy, which must not be asked before."""
    with transaction.atomic():
        Item.objects.update(amount=6)
        assert total() == 6
    assert total() == 6
    with paused(follower, 20):
        from kck_publish.listener.listener import Listener

        Listener("default").once()  # on this very session
        assert held() == b'{"count":1,"amount":5}'
        for _ in range(3):
            assert total() == 6
    wait_until(lambda: held() == b'{"count":1,"amount":6}')
    wait_until(lambda: total() == 6 and is_quiet(), what="quiet again")
    assert alone(total) == 6


def is_quiet() -> bool:
    from kck_publish.reading import near as reading_near

    return reading_near.lookup_of(registry.get("item_total")).find_many([1])[0] is not None


class paused:  # noqa: N801 - a context manager
    """The follower stands still before its next look.

    Args:
        lease: for how long readers trust it all the same, if not for as long as always.
    """

    def __init__(self, follower: NearFollower, lease: float | None = None) -> None:
        self.follower = follower
        if lease is not None:
            reader, until = near_reader.reader(follower._path), clock() + lease / 2
            follower._lease, deadline = lease, clock() + 20
            while (reader.get(KEY, ""), reader._lease.until)[1] < until:
                follower._renewed = 0.0
                follower.keep((), UNTOLD)
                assert clock() < deadline
                time.sleep(0.01)
        self.gate, self.there = threading.Event(), threading.Event()
        self.look = follower.look

    def _wait(self, file: Any) -> bool:
        self.there.set()
        self.gate.wait(20)
        return self.look(file)

    def __enter__(self) -> paused:
        self.follower.look = self._wait  # type: ignore[method-assign]
        self.follower.keep((), UNTOLD)
        assert self.there.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self.follower.look = self.look  # type: ignore[method-assign]
        self.gate.set()


def test_a_compute_never_reads_the_copy(item: Item, held: Any, follower: NearFollower) -> None:
    """What is computed must not be older than its stamp says."""
    with paused(follower, 20):
        with another_session() as other:
            other.execute("UPDATE catalog_item SET amount = 6")
        drain()
        assert held() == b'{"count":1,"amount":5}'
        seen: list[int] = []
        primers.interfere.append(lambda name, parameters: seen.append(total()))
        try:
            ItemTotal.cached.get(group=2)
        finally:
            primers.interfere.clear()
        assert seen == [6]


@pytest.fixture
def telling(follower: NearFollower) -> Iterator[None]:
    """The listener is in the follower's process, and tells it what it has stored."""
    told.append(follower.keep)
    yield
    told.remove(follower.keep)


def entry_of(path: str) -> Any:
    """All that the near store has for the key."""
    product = registry.find(KEY)
    assert product is not None
    return near_reader.reader(path).get(KEY, product.fingerprint)


@pytest.mark.usefixtures("telling")
def test_what_the_listener_stores_is_there_before_the_look(
    item: Item,
    held: Any,
    path: str,
    follower: NearFollower,
    wait_until: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Just as the look will copy it; of what is not held, and of what is removed, nothing is."""
    with paused(follower, 20):
        with another_session() as other:
            other.execute("UPDATE catalog_item SET amount = 6")
            other.execute("INSERT INTO catalog_item (name, \"group\", amount) VALUES ('b', 2, 1)")
        ItemTotal.cached.get(group=2)
        drain()
        assert held() == b'{"count":1,"amount":6}'
        assert not held("item_total/2")
        copied, copy, seen = entry_of(path), follower.copying.copy, threading.Event()

        def copying(*args: Any) -> None:
            copy(*args)
            seen.set()

        monkeypatch.setattr(follower.copying, "copy", copying)
    assert seen.wait(20)
    wait_until(lambda: entry_of(path) == copied, what="the same")  # once there is a lease again


def test_an_earlier_value_is_not_copied_over_a_later_one(
    item: Item, held: Any, follower: NearFollower
) -> None:
    """As when a look has copied what somebody has stored since."""
    seen: list[tuple[Sequence[str], Sequence[Stored]]] = []

    def tell(keys: Sequence[str], written: Written) -> None:
        seen.append((keys, written()))

    told.append(tell)
    try:
        with paused(follower, 20):
            for amount in (6, 7):
                sql(f"UPDATE catalog_item SET amount = {amount}")
                drain()
            earlier, later = (one for one in seen if KEY in one[0])
            for keys, entries in (later, earlier):
                follower.keep(keys, lambda entries=entries: entries)  # type: ignore[misc]
            assert held() == b'{"count":1,"amount":7}'
    finally:
        told.remove(tell)


def test_nothing_is_copied_in_the_middle_of_a_look(
    path: str, held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look has read an earlier value, and would put it back."""
    follower = NearFollower("default")
    look = follower.copying.copy
    product = registry.find(KEY)
    assert product is not None
    Item.objects.create(name="one", group=1, amount=5)
    assert total() == 5

    def copy(*args: Any) -> None:
        sql("UPDATE catalog_item SET amount = 7")
        drain()
        assert held() == b'{"count":1,"amount":5}'
        look(*args)

    with follower.connected() as loop:
        file = follower._near.file
        follower.look(file)
        near_reader.reader(path).ask(KEY, product.fingerprint)
        loop.look()
        assert follower.following.is_set()
        sql("UPDATE catalog_item SET amount = 6")
        drain()
        monkeypatch.setattr(follower.copying, "copy", copy)
        told.append(follower.keep)
        try:
            loop.look()
            assert held() == b'{"count":1,"amount":7}'
        finally:
            told.remove(follower.keep)
    near_reader.reader(path).close()


def test_what_is_hinted_at_comes_with_the_look(path: str, held: Any) -> None:
    """The listener names what it has written: that is read with the look, for one round trip."""
    fetched: list[str] = []

    class Spied(Copying):
        def fetch(self, cursor: Cursor, addresses: Any) -> Any:
            fetched.extend(one.key for one in addresses)
            return super().fetch(cursor, addresses)

    follower = NearFollower("default")
    follower.copying = Spied()
    product = registry.find(KEY)
    assert product is not None
    Item.objects.create(name="one", group=1, amount=5)
    assert total() == 5
    with follower.connected():
        file = follower._near.file
        follower.look(file)
        near_reader.reader(path).ask(KEY, product.fingerprint)
        follower.look(file)
        before = held()
        assert fetched == [KEY]
        sql("UPDATE catalog_item SET amount = 77")
        drain()
        follower.keep(["item_total/none", KEY], UNTOLD)
        assert follower.look(file)
        assert held() not in (before, b"")
        assert fetched == [KEY]  # not again
        sql("UPDATE catalog_item SET amount = 78")
        follower.keep([KEY], UNTOLD)  # nothing was written: what is held stays
        assert not follower.look(file)
        drain()
        Cache.get_instance().unset(KEY)
        follower.keep([KEY], UNTOLD)
        assert follower.look(file)
        assert held() == b""
    near_reader.reader(path).close()


def test_a_fill_that_was_read_before_a_change_is_put_right(
    item: Item, held: Any, follower: NearFollower, wait_until: Any
) -> None:
    """The race of the fill: the value is fetched, then changed and refreshed, and then written."""
    with another_session() as other:
        other.execute("DELETE FROM kck_publish_entry WHERE key = %s", [KEY])
        drain()
        wait_until(lambda: not held())
        total()
        drain()
        fetch, fetched, gate = follower.copying.fetch, threading.Event(), threading.Event()

        def slowly(cursor: Cursor, addresses: Any) -> Any:
            found = fetch(cursor, addresses)
            if found and not fetched.is_set():
                fetched.set()
                assert gate.wait(20)
            return found

        follower.copying.fetch = slowly  # type: ignore[method-assign]
        wait_until(lambda: total() and fetched.is_set())
        other.execute("UPDATE catalog_item SET amount = 7")
        drain()
        gate.set()
        wait_until(lambda: held() == b'{"count":1,"amount":7}')


def test_without_its_follower_the_copy_is_trusted_no_longer_than_the_lease(
    item: Item, held: Any, follower: NearFollower, wait_until: Any
) -> None:
    with paused(follower):
        with another_session() as other:
            other.execute("UPDATE catalog_item SET amount = 6")
        drain()
        until = lease_of(follower._path).until
        wait_until(lambda: clock() >= until)
        assert total() == 6
        assert not held()
    wait_until(lambda: held() == b'{"count":1,"amount":6}')


def test_who_wrote_before_the_follower_was_registered_is_waited_for(
    path: str, held: Any, wait_until: Any
) -> None:
    Item.objects.create(name="one", group=1, amount=5)
    drain()
    total()
    drain()
    follower = NearFollower("default")
    with another_session(autocommit=False) as other:
        other.execute("UPDATE kck_publish_entry SET body = 'null' WHERE key = %s", [KEY])
        with following(follower):
            wait_until(lambda: sql("SELECT count(*) FROM kck_publish_consumer") == [(1,)])
            assert total() == 5
            assert not follower.following.wait(0.3)
            assert not held()
            other.commit()
            assert follower.following.wait(10)
            wait_until(lambda: cache.get(KEY) is None and held() == b"null")
    near_reader.reader(path).close()


def test_what_is_behind_is_judged_by_the_store(
    item: Item, held: Any, wait_until: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(ItemTotal, "when_behind", "raise")
    assert total() == 5
    sql("UPDATE kck_publish_entry SET behind = true WHERE key = %s", KEY)
    connection.close()
    with pytest.raises(Behind):
        wait_until(lambda: total() != 5)
    sql("UPDATE kck_publish_entry SET behind = false WHERE key = %s", KEY)
    monkeypatch.setattr(ItemTotal, "max_lag", timedelta(seconds=0.2))
    with another_session() as other:
        other.execute("UPDATE catalog_item SET amount = 6")
    with pytest.raises(Behind):
        wait_until(lambda: total() != 5)


def test_an_expired_value_is_not_served(item: Item, held: Any, wait_until: Any) -> None:
    sql(
        "UPDATE kck_publish_entry SET hard_expire = clock_timestamp() + interval '1 second', "
        "body = %s WHERE key = %s",
        b"1",
        KEY,
    )
    connection.close()
    wait_until(lambda: held() == b"1")
    assert cache.get(KEY) == 1
    wait_until(lambda: total() == 5 if cache.get(KEY) != 1 else False)


def test_a_follower_that_starts_again_goes_on_with_its_file(
    path: str, held: Any, wait_until: Any, item: Item, follower: NearFollower
) -> None:
    follower.stop()
    wait_until(nobody_follows)
    with another_session() as other:
        other.execute("UPDATE catalog_item SET amount = 6")
    drain()
    again = NearFollower("default")
    with following(again):
        wait_until(lambda: held() == b'{"count":1,"amount":6}')
    near_reader.reader(path).close()


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM kck_publish_consumer",
        "TRUNCATE kck_publish_copy; SELECT pg_terminate_backend(backend) FROM kck_publish_listener",
    ],
)
def test_a_follower_that_may_have_missed_something_begins_anew(
    item: Item, held: Any, wait_until: Any, harm: str, follower: NearFollower
) -> None:
    """Forgotten; or the server has crashed, and the table that it follows is empty."""
    with another_session() as other:
        other.execute(harm)
        wait_until(lambda: not held(), what="begun anew")
        wait_until(follower.following.is_set)
        other.execute("UPDATE catalog_item SET amount = 6")
    drain()
    wait_until(lambda: total() == 6 and held() == b'{"count":1,"amount":6}')


def test_what_nobody_needs_any_more_is_trimmed(item: Item, wait_until: Any) -> None:
    for amount in range(6, 12):
        with another_session() as other:
            other.execute("UPDATE catalog_item SET amount = %s", [amount])
        drain()
    count = "SELECT count(*) FROM kck_publish_copy WHERE consumer IS NULL"

    def trimmed() -> bool:
        with connection.cursor() as cursor:
            journal.trim(cursor, 60)
        return sql(count) == [(0,)]

    wait_until(trimmed)
    with connection.cursor() as cursor:
        journal.trim(cursor, 0)  # silent for too long
    wait_until(lambda: sql("SELECT count(*) FROM kck_publish_consumer") == [(1,)])


def test_without_a_follower_nothing_is_written_for_it(transactional_db: None) -> None:
    Item.objects.create(name="one", group=1, amount=5)
    drain()
    assert sql("SELECT count(*) FROM kck_publish_entry") != [(0,)]
    assert sql("SELECT count(*) FROM kck_publish_copy") == [(0,)]


def test_another_fingerprint_is_another_entry(
    item: Item, held: Any, wait_until: Any, path: str, monkeypatch: Any
) -> None:
    """A rolling deploy: neither version reads the other's bytes; a change removes them."""
    product = registry.get("item_total")
    old = product.fingerprint
    monkeypatch.setitem(product.__dict__, "fingerprint", "f" * 16)
    registry.register(product, replaces=lambda other: True)  # as new code would
    assert not held()
    with another_session() as other:
        other.execute("UPDATE catalog_item SET amount = 6")
    drain()
    wait_until(lambda: near_reader.reader(path).get(KEY, old) is None, what="removed")
    wait_until(lambda: total() == 6 and held())
    registry.register(product, replaces=lambda other: True)


def test_it_names_what_is_missing(settings: Any) -> None:
    settings.KCK_PUBLISH = {}
    with pytest.raises(ConfigurationError, match="NEAR"):
        NearFollower("default")
