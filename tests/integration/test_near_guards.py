"""What keeps the near store's readers from what they must not see, and its copy true.

One test for each thing that is easily left out: see ``docs/guards.md``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import signing
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from kck_publish import Cache
from kck_publish.capture import own_request_writes
from kck_publish.capture.own_request_writes import OwnWrites, Writes
from kck_publish.following import process
from kck_publish.following.loop import Loop
from kck_publish.following.process import OccupiedError
from kck_publish.listener.near_follower import NearFollower
from kck_publish.listener.near_loop import following
from kck_publish.log.consumers import register
from kck_publish.log.snapshot import take
from kck_publish.postgres import Cursor
from kck_publish.products import registry
from kck_publish.reading import near as reading_near
from kck_publish.reading import near_entries
from kck_publish.request import GlobalRequest
from kck_publish.request.own_writes_cookies import ReadYourWritesMiddleware
from kck_publish.stores.near import journal, open_files
from kck_publish.stores.near import reader as near_reader
from kck_publish.stores.near.format import clock
from kck_publish.stores.near.hold_requests import DAMAGED
from kck_publish.stores.near.writer import NearFile
from kck_publish.testing import travel
from tests.catalog.fixtures import Session, another_session, computes, drain, lease_of, sql
from tests.catalog.models import Item
from tests.integration.test_near import KEY, nobody_follows, paused, total
from tests.integration.test_near import alone as alone
from tests.integration.test_near import follower as follower
from tests.integration.test_near import held as held
from tests.integration.test_near import item as item
from tests.integration.test_near import path as path

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


def change(amount: int = 6) -> int:
    """Another session's write; its transaction."""
    with another_session(autocommit=False) as other:
        row = other.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        other.execute("UPDATE catalog_item SET amount = %s", [amount])
        other.commit()
    assert row is not None
    return int(row[0])


@contextmanager
def context(*brought: Writes) -> Iterator[OwnWrites]:
    """A request that keeps account of its writes, and of what its browser brings along."""
    mine = OwnWrites(brought)
    token = own_request_writes.activate(mine)
    try:
        yield mine
    finally:
        own_request_writes.restore(token)


def token(xid: int) -> Writes:
    ((cluster,),) = sql("SELECT system_identifier::text FROM pg_control_system()")
    return Writes((xid,), None, cluster, "token")


def test_what_a_browser_brings_along_is_not_hidden_by_the_copy(item: Item, held: Any) -> None:
    xid = change()
    assert held() == b'{"count":1,"amount":5}'
    with context(token(xid)):
        assert total() == 6
    assert total() == 5


def test_a_browser_keeps_its_token_until_the_copy_has_the_write(
    item: Item, held: Any, follower: NearFollower, wait_until: Any
) -> None:
    """Its next request may be one that reads the copy."""
    with paused(follower, 20):
        xid = change()
        Session(drain_of_the_store).result()
        with context(token(xid)) as mine:
            assert total() == 6
            assert not mine.settled
    drain()
    with context(token(xid)) as mine:
        wait_until(lambda: total() == 6 and mine.settled)


def test_another_hosts_older_copy_is_not_read_after_a_token_was_taken_back(
    item: Item, held: Any, follower: NearFollower, wait_until: Any
) -> None:
    answer = ReadYourWritesMiddleware(lambda request: HttpResponse(total()))
    one = token(change())
    drain()

    def ask(**cookies: str) -> HttpResponse:
        request = HttpRequest()
        request.COOKIES = cookies
        response: HttpResponse = answer(request)
        return response

    brought = signing.dumps([one.cluster, one.xids, None], salt="kck_publish.read_your_writes")
    name = f"kck_own_{one.xids[0]:x}"
    # The copy is as new as the last commit at some moments only.
    cookie = wait_until(lambda: ask(**{name: brought}).cookies.get("kck_own_lately"))
    assert 1 < cookie["max-age"] < 10
    with paused(follower, 20):  # as the follower of another host may be behind this one's
        change(7)
        Session(drain_of_the_store).result()
        assert ask().content == b"6"
        assert ask(kck_own_lately=cookie.value).content == b"7"


def drain_of_the_store() -> None:
    from kck_publish.listener.listener import Listener

    Listener("default").once()


def test_where_much_is_committed_who_has_written_reads_the_copy_again(
    item: Item, wait_until: Any
) -> None:
    """The copy is always behind the last commit: that it has this session's write is enough."""
    ended = threading.Event()

    def commit() -> None:
        while not ended.is_set():
            sql("SELECT pg_current_xact_id()")

    busy = Session(commit)
    try:
        Item.objects.update(amount=6)
        Session(drain_of_the_store).result()
        product = registry.get("item_total")
        wait_until(lambda: total() == 6 and reading_near.lookup_of(product).find_many([1])[0])
    finally:
        ended.set()
        busy.result()


def test_a_session_that_the_request_has_closed_is_not_forgotten(item: Item, held: Any) -> None:
    with context():
        assert total() == 5
        Item.objects.update(amount=6)
        connection.close()
        assert held() == b'{"count":1,"amount":5}'
        assert total() == 6


def test_in_a_request_what_was_read_once_stays(item: Item, held: Any, wait_until: Any) -> None:
    with GlobalRequest():
        row = Item.cached.get(pk=item.pk)
        assert total() == 5
        Session(change).result()
        Session(drain).result()
        wait_until(lambda: held() == b'{"count":1,"amount":6}')
        assert total() == 5
        assert Item.cached.get(pk=item.pk) is row
    assert total() == 6


def test_a_value_that_wants_a_refresh_asks_for_it(
    item: Item, held: Any, wait_until: Any, alone: Any
) -> None:
    """A soft expiry is judged by the store, which tells the listener."""
    sql(
        "UPDATE kck_publish_entry SET soft_expire = clock_timestamp() + interval '1 hour' "
        "WHERE key = %s",
        KEY,
    )
    connection.close()
    product = registry.get("item_total")
    wait_until(lambda: near_entries.held(product, [KEY]).get(KEY) and soft(product), what="copied")
    assert alone(total) == 5
    with travel(timedelta(hours=2)):
        assert total() == 5
    assert sql("SELECT soft_expire FROM kck_publish_entry WHERE key = %s", KEY) == [(None,)]
    with computes() as seen:
        drain()
    assert seen == ["item_total"]


def soft(product: Any) -> bool:
    return near_entries.held(product, [KEY])[KEY].soft_expire is not None


def shows(path: str, wait_until: Any) -> None:
    """Wait until the copy is said to be true of now."""
    reader = near_reader.reader(path)
    with connection.cursor() as cursor:
        now = take(cursor)
    wait_until(lambda: reader._done() is not None and reader.includes(now))


@pytest.mark.parametrize(
    "harm",
    [
        "TRUNCATE kck_publish_entry, kck_publish_edge",
        "DELETE FROM kck_publish_consumer; UPDATE kck_publish_entry SET body = 'null'",
        (
            "UPDATE kck_publish_entry SET body = 'null'; TRUNCATE kck_publish_copy; "
            "SELECT pg_terminate_backend(backend) FROM kck_publish_listener"
        ),
    ],
    ids=["truncated", "forgotten", "crashed"],
)
def test_what_it_was_not_told_of_key_by_key_is_not_held_any_more(
    item: Item, held: Any, follower: NearFollower, path: str, wait_until: Any, harm: str
) -> None:
    with paused(follower), another_session() as other:
        other.execute(harm)
    shows(path, wait_until)
    reader = near_reader.reader(path)

    def trusted() -> list[bool]:
        """Whether it is held; nothing where the lease has ended meanwhile, so that none is."""
        said = [reader.is_followed, bool(held()), reader.is_followed]
        return said[1:2] if said[0] and said[2] else []

    assert wait_until(trusted) == [False]


def test_what_only_a_reader_finds_damaged_is_made_anew(
    item: Item, held: Any, path: str, wait_until: Any
) -> None:
    """The follower need not come by the page that is damaged; it is told, and set aside."""
    near_reader.reader(path).ask("", DAMAGED)
    wait_until(lambda: list(Path(path).parent.glob("*.bad-*")), what="set aside")
    wait_until(lambda: total() == 5 and held(), 20, what="held again")


def test_the_lease_counts_from_before_the_look(
    item: Item, follower: NearFollower, path: str, monkeypatch: pytest.MonkeyPatch, wait_until: Any
) -> None:
    """What is committed while a look is on its way is not in what it has found."""
    unseen, renew, begun = journal.unseen, follower._renew, [0.0]
    counted: list[tuple[float, float]] = []

    def look(*arguments: Any) -> Any:
        begun.append(clock())
        return unseen(*arguments)

    def renewed(cursor: Cursor, file: Any, at: float, until: str) -> None:
        renew(cursor, file, at, until)
        counted.append((begun[-1], lease_of(path).at))

    monkeypatch.setattr(journal, "unseen", look)
    monkeypatch.setattr(follower, "_renew", renewed)
    wait_until(lambda: len(counted) > 3)
    assert all(lease <= look for look, lease in counted[1:])
    lease = lease_of(path)
    assert lease.until - lease.at == pytest.approx(0.5)


def test_the_copy_of_another_database_is_not_gone_on_with(
    item: Item, path: str, follower: NearFollower, wait_until: Any
) -> None:
    """A restored dump has the follower's registration, and numbers that mean something else."""
    follower.stop()
    wait_until(nobody_follows)
    file = NearFile(path, 256 * 2**20)
    file.put((), owner=replace(file.owner, cluster="another/postgres"))
    consumer, count = file.owner.consumer, len(file)
    file.close()
    assert count
    again = NearFollower("default")
    with following(again):
        assert again.following.wait(20)
        assert again._consumer.id != consumer
    near_reader.reader(path).close()


@pytest.fixture
def named(path: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``named(name)``: another process begins, whose settings call the database so."""

    def named(name: str) -> None:
        near_reader.reader(path).close()
        monkeypatch.delitem(open_files.readers, path)
        monkeypatch.setitem(connection.settings_dict, "NAME", name)

    yield named
    connection.close()


def test_a_process_of_another_database_reads_nothing_of_the_copy(
    item: Item, held: Any, path: str, named: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Its settings may name the same file: those of a copy of production, say."""
    assert held()
    connection.close()
    named("postgres")
    assert not held()
    assert not near_reader.reader(path).is_followed
    assert "Give each database a NEAR of its own" in caplog.text
    near_reader.reader(path).close()


def test_a_database_may_have_another_name_where_it_is_pooled(
    item: Item, held: Any, path: str, named: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An event loop cannot ask; it reads nothing here until a thread has asked."""

    async def held_in_loop() -> bytes:
        return bytes(held())

    assert held()
    named("pooled")  # the session is that of the database
    assert not asyncio.run(held_in_loop())
    near_reader.reader(path)._again = 0.0
    assert held() == asyncio.run(held_in_loop()) != b""
    assert not caplog.records


def test_what_one_of_two_has_not_copied_is_not_trimmed(
    item: Item, follower: NearFollower, wait_until: Any, held: Any
) -> None:
    drain()
    sql("DELETE FROM kck_publish_copy WHERE consumer IS NULL")
    with connection.cursor() as cursor:
        register(cursor, "near:elsewhere", "near")
    count = "SELECT count(*) FROM kck_publish_copy WHERE consumer IS NULL"
    change()
    drain()
    there = sql(count)
    assert there != [(0,)]
    name, done = "near:elsewhere", "SELECT done::text FROM kck_publish_consumer WHERE name <> %s"
    before = sql(done, name)
    wait_until(lambda: sql(done, name) != before, what="the follower has said how far it is")
    with connection.cursor() as cursor:
        journal.trim(cursor, 60)
    assert sql(count) == there
    sql("DELETE FROM kck_publish_consumer WHERE name = %s", name)


def test_who_began_before_the_follower_and_writes_after_it_tells_all_the_same(
    path: str, held: Any, wait_until: Any
) -> None:
    """At REPEATABLE READ the registration is not seen, and nothing was written to be waited for."""
    Item.objects.create(name="one", group=1, amount=5)
    drain_of_the_store()
    total()
    drain_of_the_store()
    connection.close()
    follower = NearFollower("default")
    with another_session(autocommit=False) as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM catalog_item")
        with following(follower):
            assert follower.following.wait(20)
            wait_until(lambda: total() == 5 and held() == b'{"count":1,"amount":5}')
            other.execute("UPDATE kck_publish_entry SET body = 'null' WHERE key = %s", [KEY])
            other.commit()
            wait_until(lambda: held() == b"null")
    near_reader.reader(path).close()


def test_a_reader_in_an_old_snapshot_is_served_what_is_newer(
    item: Item, held: Any, wait_until: Any, alone: Any
) -> None:
    """As from any store outside the database: never older than its own write, but newer it may be.

    What it computes and keeps is of its own snapshot all the same.
    """
    with transaction.atomic():
        sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert Item.objects.get().amount == 5
        Session(change).result()
        Session(drain).result()
        wait_until(lambda: held() == b'{"count":1,"amount":6}')
        assert total() == 6
        assert Item.objects.get().amount == 5
    assert total() == 6


def test_switched_off_nothing_is_read_in_it(item: Item, settings: Any, alone: Any) -> None:
    assert alone(total) == 5
    change()
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "ENABLED": False}
    assert total() == 6
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "ENABLED": True}
    assert total() == 5


def test_a_thread_that_has_written_does_not_hinder_others(item: Item, alone: Any) -> None:
    """Own writes are a session's: others go on with the copy."""
    Item.objects.update(amount=6)
    assert total() == 6
    assert Session(total).result() == 5
    assert total() == 6


@pytest.mark.parametrize(
    "write",
    [
        "TRUNCATE kck_publish_entry CASCADE",
        "DELETE FROM kck_publish_entry",
        "LOCK TABLE kck_publish_entry IN EXCLUSIVE MODE",
    ],
)
def test_a_transaction_that_writes_entries_is_waited_for_however_it_writes(write: str) -> None:
    """One that truncates holds another lock than one that deletes (F)."""
    with another_session(autocommit=False) as other, connection.cursor() as cursor:
        assert journal.writers(cursor) == frozenset()
        other.execute(write)
        assert len(journal.writers(cursor)) == 1
        other.rollback()
        assert journal.writers(cursor) == frozenset()


def test_who_has_waited_for_its_turn_outlives_a_lost_database(
    path: str, monkeypatch: pytest.MonkeyPatch, wait_until: Any
) -> None:
    """Its turn may come just when the server is away, long after it was started."""

    class Waiting(NearFollower):
        waits = threading.Event()

        @contextmanager
        def connected(self) -> Iterator[Loop]:
            try:
                with super().connected() as loop:
                    yield loop
            except OccupiedError:
                self.waits.set()
                raise

    monkeypatch.setattr(process, "START_PATIENCE", 0.0)
    first, second = NearFollower("default"), Waiting("default")
    with following(first):
        assert first.following.wait(20)
        running = Session(second.run)
        assert second.waits.wait(20)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(connection.settings_dict, "PORT", "1")
            first.stop()
            wait_until(lambda: second.moments.lost.count or not running.is_alive())
    assert second.following.wait(20) or running.result()
    second.stop()
    running.result()
    near_reader.reader(path).close()
