"""What every store promises, read and refreshed as always: promises 3, 4, 8, 10 and 11."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from kck_publish import Cache, Follower, StoredProduct, VersionMismatch, stores
from kck_publish.capture import own_request_writes
from kck_publish.exceptions import Fenced, StoreUnreachable
from kck_publish.following.stored_products import as_stored
from kck_publish.listener import shard, shard_batch
from kck_publish.listener.listener import Listener
from kck_publish.log.snapshot import take
from kck_publish.ops.repair import repair
from kck_publish.ops.verify import audit
from kck_publish.postgres import Cursor, connect
from kck_publish.products import registry
from kck_publish.stores import LISTENER, READER, Address, Fence, Outgoing, Stored, cache_entries
from kck_publish.stores.django_values import DjangoValues
from kck_publish.testing import assert_fresh, travel
from tests.catalog import primers
from tests.catalog.crashes import Crash, dying
from tests.catalog.fixtures import (
    Gate,
    Session,
    computes,
    drain,
    interfering,
    settle,
    sql,
    stored,
)
from tests.catalog.models import Author, Book, Edition, Item
from tests.catalog.primers import Anything, ItemNames, ItemTotal, Shelf, Stock
from tests.contracts.conftest import Backend, Server

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
# A client of pymemcache's drops the socket of a server that it takes for dead.
dropping = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def row(backend: Backend, transactional_db: None) -> Item:
    row = Item.objects.create(name="one", group=1, amount=5)
    drain()
    return row


def change(amount: int = 8) -> None:
    Session(lambda: Item.objects.filter(name="one").update(amount=amount)).result()


def total(group: int = 1) -> Any:
    return ItemTotal.cached.get(group=group)["amount"]


def test_a_miss_is_primed_once_and_then_served() -> None:
    with computes() as seen:
        assert [total(), total()] == [5, 5]
        assert ItemNames.cached.get_many([{"group": 1}, {"group": 2}])[1] == []
    assert sorted(seen) == ["item_names", "item_names", "item_total"]
    with computes() as seen:
        assert ItemNames.cached.get_many([{"group": 2}, {"group": 1}])[0] == []
    assert seen == []
    assert ItemTotal.cached.get_bytes(group=1).startswith(b"{")


def test_many_readers_of_one_cold_key_make_one_compute() -> None:
    gate = Gate("item_names")
    with interfering(gate), computes() as seen:
        first = Session(lambda: ItemNames.cached.get(group=1))
        gate.wait()
        others = [Session(lambda: ItemNames.cached.get(group=1)) for _ in range(6)]
        gate.open()
        assert len({str(one.result()) for one in (first, *others)}) == 1
    assert seen == ["item_names"]


def test_a_change_is_augmented_and_pushed() -> None:
    total()
    drain()
    change()
    with computes() as seen:
        drain()
    assert "item_total+" in seen
    with computes() as seen:
        assert total() == 8
        assert Item.cached.get(name="one").amount == 8
    assert seen == []
    assert_fresh()


def test_an_unchanged_value_keeps_its_version() -> None:
    ItemNames.cached.get(group=1)
    drain()
    before = stored("item_names/1")
    sql("UPDATE catalog_item SET name = name || '!'")
    sql("UPDATE catalog_item SET name = 'one'")
    drain()
    after = stored("item_names/1")
    assert before is not None
    assert after is not None
    assert (before.version, before.stamp) == (after.version, after.stamp)


def test_answers_that_there_is_none() -> None:
    with pytest.raises(Author.DoesNotExist):
        Author.cached.get(slug="nobody")
    with CaptureQueriesContext(connection) as queries, pytest.raises(Author.DoesNotExist):
        Author.cached.get(slug="nobody")
    assert not any("catalog_author" in query["sql"] for query in queries)
    Author.objects.create(slug="nobody")
    drain()
    assert Author.cached.get(slug="nobody").slug == "nobody"
    Author.objects.all().delete()
    drain()
    with pytest.raises(Author.DoesNotExist):
        Author.cached.get(slug="nobody")


def test_what_is_set_by_hand() -> None:
    entry = cache.set("any/thing", {"a": 1})
    assert cache.get("any/thing") == {"a": 1}
    assert cache.entry("any/thing").version == entry.version
    again = cache.set("any/thing", None, check_version=entry.version)
    assert cache.get("any/thing") is None
    with pytest.raises(VersionMismatch):
        cache.set("any/thing", 3, check_version=entry.version)
    assert cache.entry("any/thing").version == again.version
    assert cache.unset("any/thing")
    assert not cache.unset("any/thing")
    assert not cache.is_set("any/thing")
    with pytest.raises(VersionMismatch):
        cache.set("any/thing", 3, check_version=again.version)
    cache.set("any/thing", 4)
    assert cache.get("any/thing") == 4
    cache.clear("any")
    assert not cache.is_set("any/thing")


def test_two_who_set_the_version_they_have_read() -> None:
    version = cache.set("any/thing", 0).version
    results = []

    def attempt(value: int) -> None:
        with suppress(VersionMismatch):
            cache.set("any/thing", value, check_version=version)
            results.append(value)

    for session in [Session(lambda value=value: attempt(value)) for value in range(1, 7)]:  # type: ignore[misc]
        session.result()
    assert len(results) == 1
    assert cache.get("any/thing") == results[0]


def test_setting_in_a_transaction() -> None:
    with suppress(ZeroDivisionError), transaction.atomic():
        cache.set("any/thing", 1)
        raise ZeroDivisionError
    assert not cache.is_set("any/thing")
    with transaction.atomic():
        entry = cache.set("any/thing", 2)
        assert entry.value == 2
        assert Session(lambda: cache.is_set("any/thing")).result() is False
    assert cache.entry("any/thing").version == entry.version


def test_setting_a_primers_key_and_its_next_refresh() -> None:
    total()
    cache.set("item_total/1", {"count": 0, "amount": 99})
    assert total() == 99
    drain()
    assert total() == 99
    change()
    drain()
    assert total() == 8


def test_unset_and_read_again() -> None:
    total()
    assert cache.unset("item_total/1")
    with computes() as seen:
        assert [total(), total()] == [5, 5]
    assert seen == ["item_total"]
    drain()
    change()
    drain()
    assert total() == 8


def test_refresh_here_and_now() -> None:
    Anything.values = {"x": 1}
    assert Anything.cached.get(name="x") == 1
    Anything.values = {"x": 2}
    cache.refresh("anything/x", queued=False)
    with computes() as seen:
        assert Anything.cached.get(name="x") == 2
    assert seen == []
    cache.refresh("anything/x")
    Anything.values = {"x": 3}
    drain()
    assert Anything.cached.get(name="x") == 3


def test_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Anything, "soft_expire", timedelta(minutes=1))
    monkeypatch.setattr(Anything, "hard_expire", timedelta(hours=1))
    Anything.values = {"x": 1}
    assert Anything.cached.get(name="x") == 1
    Anything.values = {"x": 2}
    with travel(timedelta(minutes=2)):
        assert [Anything.cached.get(name="x") for _ in range(3)] == [1, 1, 1]
        assert sql("SELECT count(*) FROM kck_publish_change WHERE op = 'refresh'") == [(1,)]
        drain()
        assert Anything.cached.get(name="x") == 2
        version = cache.entry("anything/x").version
        with travel(timedelta(minutes=2)):  # the same again: it only holds longer
            assert Anything.cached.get(name="x") == 2
            drain()
            entry = cache.entry("anything/x")
            assert entry.version == version
            assert entry.soft_expire is not None
            assert sql("SELECT count(*) FROM kck_publish_change WHERE op = 'refresh'") == [(2,)]
            assert Anything.cached.get(name="x") == 2
            assert sql("SELECT count(*) FROM kck_publish_change WHERE op = 'refresh'") == [(2,)]
    Anything.values = {"x": 3}
    with travel(timedelta(hours=3)):
        assert [Anything.cached.get(name="x"), Anything.cached.get(name="x")] == [3, 3]


def test_a_soft_expiry_is_asked_for_once_by_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the value itself keeps it until its refresh."""
    monkeypatch.setattr(Anything, "soft_expire", timedelta(minutes=1))
    Anything.values = {"x": 1}
    assert Anything.cached.get(name="x") == 1
    asked = "SELECT count(*) FROM kck_publish_change WHERE op = 'refresh'"
    with travel(timedelta(minutes=2)):
        with transaction.atomic():
            assert Anything.cached.get(name="x") == 1
            transaction.set_rollback(True)
        assert sql(asked) == [(0,)]  # what is rolled back was not asked
        assert Anything.cached.get(name="x") == 1
        assert sql(asked) == [(1,)]
        with CaptureQueriesContext(connection) as queries:
            assert [Anything.cached.get(name="x") for _ in range(5)] == [1] * 5
        assert not [one for one in queries if "UPDATE" in one["sql"]]
        assert sql(asked) == [(1,)]


def test_a_value_whose_refresh_fails_is_marked_as_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    from kck_publish import Behind
    from tests.catalog.primers import Fragile

    assert Fragile.cached.get(group=1) == [5]
    drain()

    def broken(product: str, parameters: Any) -> None:
        if product == "fragile":
            raise ZeroDivisionError

    with interfering(broken):
        change()
        drain()
        assert Fragile.cached.get(group=1) == [5]
        monkeypatch.setattr(Fragile, "when_behind", "raise")
        with pytest.raises(Behind, match="refresh fails"):
            Fragile.cached.get(group=1)
    with travel(timedelta(minutes=2)):
        drain()
        assert Fragile.cached.get(group=1) == [8]


def other_fingerprint(key: str) -> Address:
    return Address(key, "f" * 16)


def test_versions_of_the_code_do_not_read_each_other() -> None:
    """And what another holds of a key that changed is removed, not to come back."""
    total()
    entry = stored("item_total/1")
    assert entry is not None
    store = stores.current()
    with connection.cursor() as cursor:
        other = Stored(other_fingerprint("item_total/1"), b"old", None, entry.stamp, LISTENER)
        store.send(cursor, Outgoing(entry.stamp, writes=[other]))
        store.write(cursor, [other])
    assert total() == 5
    change()
    drain()
    assert store.read([other.address], ()).entries == {}
    with connection.cursor() as cursor:
        store.add(cursor, [other])
    store.deliver([other])
    if not store.transactional:  # there the tombstone refuses; here the row is new
        assert store.read([other.address], ()).entries == {}


def test_add_never_overwrites() -> None:
    total()
    entry = stored("item_total/1")
    assert entry is not None
    late = Stored(entry.address, b"{}", None, entry.stamp, READER)
    with connection.cursor() as cursor:
        stores.current().add(cursor, [late])
    stores.current().deliver([late])
    assert total() == 5


@pytest.mark.parametrize("product", [ItemTotal, ItemNames])
def test_a_slow_reader_cannot_bring_back_what_was_removed(product: Any) -> None:
    """Killed before it looks at the claim: only the tombstone is left to refuse it."""
    gate = Gate(product.key)
    primers.interfere.append(gate)
    try:
        reader = Session(lambda: product.cached.get(group=1))
        gate.wait()
        Session(lambda: sql("UPDATE catalog_item SET name = 'two', amount = 9")).result()
        cache.unset(f"{product.key}/1")
        gate.open()
        reader.result()
    finally:
        primers.interfere.remove(gate)
    drain()
    assert_fresh()
    found = product.cached.get(group=1)
    assert found in ({"count": 1, "amount": 9}, [[Item.objects.get().pk, "two"]])


def announced(key: str) -> Stored:
    """What a reader is about to add: its row is committed."""
    address = Address(key, registry.get(key.partition("/")[0]).fingerprint)
    with connection.cursor() as cursor:
        stamp = take(cursor)
        entry = Stored(address, b'{"count":0,"amount":-1}', None, stamp, READER)
        stores.current().add(cursor, [entry])
    return entry


def test_what_was_removed_after_it_was_announced_stays_removed(external: Backend) -> None:
    """Only the tombstone can refuse it: the reader is killed before it looks at the claim."""
    entry = announced("item_total/1")
    change()
    cache.unset("item_total/1")
    stores.current().deliver([entry])
    assert stored("item_total/1") is None
    assert sql("SELECT key FROM kck_publish_entry WHERE key = 'item_total/1'") == []
    assert total() == 8


def test_what_is_announced_for_a_later_state_outlives_a_removal(external: Backend) -> None:
    """Its value will be let in, so its row must stay."""
    with connection.cursor() as cursor:
        before = take(cursor)
    change()
    entry = announced("item_total/1")
    with connection.cursor() as cursor:
        stores.current().send(cursor, Outgoing(before, removals=[entry.address]))
        assert stores.current().remove(cursor, [entry.address], before) == 0
    stores.current().deliver([entry])
    assert stored("item_total/1") is not None
    sql("TRUNCATE catalog_item CASCADE")
    drain()
    assert total() == 0


def test_a_reader_that_was_killed_before_it_added(external: Backend) -> None:
    """Its row stays until it is an hour old, and then nobody can add the value any more."""
    entry = announced("item_total/1")
    drain()
    assert sql("SELECT by FROM kck_publish_entry WHERE key = 'item_total/1'") == [("reader",)]
    sweep = "UPDATE kck_publish_entry SET primed_at = primed_at - interval '2 hours'"
    sql(f"{sweep} WHERE by = 'reader'")
    change()
    with connection.cursor() as cursor:
        stores.current().sweep(cursor)
    assert sql("SELECT by FROM kck_publish_entry WHERE key = 'item_total/1'") == []
    stores.current().deliver([entry])
    assert stored("item_total/1") is None
    assert total() == 8


def test_a_reader_waits_for_a_value_that_is_just_being_added(
    external: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the commit, which lets go of the lock, and the add."""
    store = type(stores.current())
    original = store.deliver
    others: list[Session] = []

    def deliver(self: Any, entries: Any, overwrite: bool = False) -> None:
        if not others:
            others.append(Session(total))
            others[0].join(0.05)
        original(self, entries, overwrite)

    monkeypatch.setattr(store, "deliver", deliver)
    with computes() as seen:
        assert total() == 5
        assert others[0].result() == 5
    assert seen == ["item_total"]


def test_the_auditor_agrees() -> None:
    total()
    drain()
    change()
    drain()
    assert audit(["item_total"]).findings == []
    wrong = stored("item_total/1")
    assert wrong is not None
    with connection.cursor() as cursor:  # what nobody may do: the stamp says that all is in it
        wrong = wrong._replace(body=b'{"count":1,"amount":-1}', version=0)
        stores.current().send(cursor, Outgoing(wrong.stamp, writes=[wrong]))
        stores.current().write(cursor, [wrong])
    found = audit(["item_total"])
    repair(found, patience=30, drain=Listener("default", say=lambda line: None).once)
    assert found.repaired == ["item_total/1"]
    settle()
    assert total() == 8


def test_a_prime_overtaken_by_a_change() -> None:
    for product in (ItemTotal, ItemNames):
        read = partial(product.cached.get, group=1)
        gate = Gate(product.key)
        primers.interfere.append(gate)
        try:
            reader = Session(read)
            gate.wait()
            Session(lambda: sql("UPDATE catalog_item SET amount = amount + 1")).result()
            Session(drain).result()  # which finds nothing stored
            gate.open()
            reader.result()
        finally:
            primers.interfere.remove(gate)
    drain()
    assert_fresh()


def test_the_listener_finds_what_a_reader_added_and_never_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reader is killed between its add and its look at the claim."""
    from kck_publish.reading import primed_together

    monkeypatch.setattr(primed_together, "refresh_missed", lambda *args: None)
    gate = Gate("item_total")
    primers.interfere.append(gate)
    try:
        reader = Session(total)
        gate.wait()
        change()
        Session(drain).result()
        gate.open()
        reader.result()
    finally:
        primers.interfere.remove(gate)
    assert total() == 5
    Item.objects.create(name="elsewhere", group=3)
    drain()
    assert total() == 8


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_batch_that_is_cut_off_is_repeated_and_augments_once(
    after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the write outside and the cursor, or before either."""
    total()
    author = Author.objects.create(slug="a", first="A", last="B")
    book = Book.objects.create(author=author, title="T")
    Edition.objects.create(book=book, copies=1)
    assert Stock.cached.get(book=book.pk) == 1
    assert Shelf.cached.get(author=author.pk) == {"T": 1}
    drain()
    change(7)
    Edition.objects.create(book=book, copies=2)
    Author.objects.create(slug="new")  # an eager key that is not yet stored
    store = type(stores.current())
    original = store.send

    def send(self: Any, cursor: Cursor, outgoing: Outgoing) -> None:
        if after:
            original(self, cursor, outgoing)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(store, "send", send)
        with pytest.raises(Crash):
            drain()
    connection.close()
    Item.objects.create(name="two", group=1, amount=10)
    drain()
    assert total() == 17
    assert Stock.cached.get(book=book.pk) == 3
    assert Shelf.cached.get(author=author.pk) == {"T": 3}
    assert_fresh()
    assert sql("SELECT by FROM kck_publish_entry WHERE key = 'catalog.author:slug/new'") == [
        ("listener",)
    ]
    assert cache.is_set("catalog.author:slug/new")


def version_of(key: str) -> int:
    """That of the row, which tells followers of another value."""
    ((version,),) = sql("SELECT version FROM kck_publish_entry WHERE key = %s", key)
    return int(version)


def test_the_row_of_a_value_that_is_renewed_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ItemTotal, "hard_expire", timedelta(days=1))
    total()
    drain()
    before = version_of("item_total/1")
    for _ in "renewed", "again":
        Item.objects.filter(name="one").delete()
        Item.objects.create(name="one", group=1, amount=5)
        drain()
        cache.refresh("item_total/1")
        drain()
    assert version_of("item_total/1") == before
    assert_fresh()


@pytest.mark.parametrize("expiry", ["soft_expire", "hard_expire", "version"])
@pytest.mark.parametrize("adopted", [True, False], ids=["adopted", "a reader's"])
def test_followers_are_told_what_a_batch_that_was_cut_off_had_written(
    adopted: bool, expiry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside the value is there before its row; the batch that is repeated finds it unchanged."""
    if expiry != "version":
        monkeypatch.setattr(ItemTotal, expiry, timedelta(days=1))
    total()
    if adopted:
        drain()
    before = version_of("item_total/1")
    change(7)
    with dying(1), pytest.raises(Crash):
        drain()
    connection.close()
    drain()
    assert total() == 7
    assert version_of("item_total/1") > before


@pytest.mark.parametrize("repeated", [True, False], ids=["repeated", "not yet repeated"])
def test_an_eager_key_of_a_batch_that_was_cut_off_has_its_row(
    external: Backend, repeated: bool
) -> None:
    """Nothing else would find the value when the whole product changes."""
    Author.objects.create(slug="new")
    with dying(1), pytest.raises(Crash):
        drain()
    connection.close()
    if repeated:
        drain()
        assert Author.cached.get(slug="new").slug == "new"
    sql("TRUNCATE catalog_author CASCADE")
    drain()
    with pytest.raises(Author.DoesNotExist):
        Author.cached.get(slug="new")
    assert_fresh()


def test_own_writes() -> None:
    assert total() == 5
    drain()
    with transaction.atomic():
        Item.objects.update(amount=6)
        assert total() == 6
        assert Session(total).result() == 5
    assert total() == 6
    assert Session(total).result() == 5
    with suppress(ZeroDivisionError), transaction.atomic():
        Item.objects.update(amount=7)
        assert total() == 7
        raise ZeroDivisionError
    assert total() == 6
    drain()
    with computes() as seen:
        assert total() == Session(total).result() == 6
    assert seen == []


def test_writes_of_an_earlier_request_of_the_same_browser(wait_until: Callable[..., Any]) -> None:
    """In another session: the reader brings them along (see ``own_writes_cookies``)."""
    total()
    drain()

    def wrote() -> own_request_writes.Writes | None:
        context = own_request_writes.OwnWrites()
        token = own_request_writes.activate(context)
        try:
            Item.objects.update(amount=6)
        finally:
            own_request_writes.restore(token)
        settings = registry.graph().wrote("item_total")
        return context.collect(connection.alias, settings)

    brought = Session(wrote).result()
    assert brought is not None

    def read() -> tuple[int, list[own_request_writes.Writes]]:
        context = own_request_writes.OwnWrites([brought], patience=0.01)
        token = own_request_writes.activate(context)
        try:
            return total(), context.settled
        finally:
            own_request_writes.restore(token)

    assert Session(read).result() == (6, [])
    assert Session(total).result() == 5
    drain()
    wait_until(lambda: Session(read).result() == (6, [brought]))  # a near store has it, too
    with computes() as seen:
        assert Session(read).result()[0] == 6
    assert seen == []


def test_a_reader_that_has_not_written_asks_the_cache_only(external: Backend) -> None:
    total()
    drain()
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert total() == 5
            assert Item.cached.get(name="one").amount == 5
        asked = [query["sql"] for query in queries]
    assert asked == []
    Item.objects.update(amount=5)  # logs nothing, but who knows
    with CaptureQueriesContext(connection) as queries:
        assert [total(), total()] == [5, 5]
    assert len(queries) == 1
    connection.close()
    with CaptureQueriesContext(connection) as queries:
        assert total() == 5
    assert len(queries) == 0
    drain()
    sql("UPDATE catalog_item SET amount = 4")
    assert total() == 4
    drain()
    with CaptureQueriesContext(connection) as queries:
        assert total() == 4
    assert len(queries) == 0


def test_flushed(bare: Backend) -> None:
    total()
    ItemNames.cached.get(group=1)
    drain()
    bare.flush()
    change()
    drain()  # what was stored is primed anew by the change that names it
    with computes() as seen:
        assert total() == 8
    assert seen == []
    bare.flush()
    with computes() as seen:
        assert [total(), total()] == [8, 8]
        assert Item.cached.get(name="one").amount == 8
    assert seen == ["item_total"]
    drain()
    change(9)
    drain()
    assert total() == 9
    assert_fresh()


def test_damaged_values_are_misses(bare: Backend) -> None:
    total()
    entry = stored("item_total/1")
    assert entry is not None
    name = f"kck1:{entry.address.digest.hex}:{entry.address.fingerprint}"
    for damage in (b"1v", b"nonsense", {"a": 1}):
        caches["shared"].set(name, damage, None)
        with computes() as seen:
            assert [total(), total()] == [5, 5]
        assert seen == ["item_total"]


@dropping
def test_an_outage(
    bare: Backend,
    stoppable: Server,
    caplog: pytest.LogCaptureFixture,
    wait_until: Callable[..., Any],
) -> None:
    """Reads are computed, and the cursor does not move: all is caught up with."""
    total()
    drain()
    (before,) = sql("SELECT done::text FROM kck_publish_shard")
    stoppable.stop()
    with caplog.at_level(logging.WARNING, "kck_publish"):
        change()
        assert [total(), total(), Session(total).result()] == [8, 8, 8]
        assert Item.cached.get(name="one").amount == 8
        with pytest.raises(StoreUnreachable, match="shared"):
            drain()
        connection.close()
        assert sql("SELECT done::text FROM kck_publish_shard") == [before]
        lines = [one.getMessage() for one in caplog.records]
        assert len([one for one in lines if "cannot be reached" in one]) == 1
        stoppable.start()

        def served() -> bool:
            with computes() as seen:
                assert total() == 8
            return seen == []

        wait_until(served)
    lines = [one.getMessage() for one in caplog.records]
    assert [one for one in lines if "cannot be reached" in one or "again" in one][1:] == [
        "The cache 'shared' is reached again."
    ]
    drain()
    assert total() == 8
    change(9)
    drain()
    assert Session(total).result() == 9
    assert_fresh()


def test_a_follower_is_handed_what_is_written_and_removed(
    backend: Backend, wait_until: Callable[..., Any]
) -> None:
    seen: dict[str, tuple[int | None, bytes | None]] = {}

    class Products(Follower):
        name = "products"
        products = ("item_total",)

        def stored(self, batch: list[StoredProduct]) -> None:
            seen.update({one.key: (one.version, one.value) for one in batch})

    def value() -> bytes | None:
        return seen.get("item_total/1", (None, b""))[1]

    total()
    drain()
    follower = Products()
    running = Session(follower.run)
    try:
        assert follower.process.moments.asleep.wait(120)
        assert value() == b'{"count":1,"amount":5}'
        change()
        drain()
        wait_until(lambda: value() == b'{"count":1,"amount":8}')
        Cache.get_instance().unset("item_total/1")
        wait_until(lambda: value() is None)
        total()
        wait_until(lambda: value() == b'{"count":1,"amount":8}')
    finally:
        follower.stop()
        running.result()


def test_a_follower_is_told_the_version_of_a_row_whose_value_comes_later(
    bare: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value's own is a random number: no later one of the key would be greater."""
    store = stores.current()
    address = Address("item_total/1", registry.get("item_total").fingerprint)
    meanwhile = type(store).meanwhile
    with connection.cursor() as cursor:
        announced = store.add(cursor, [Stored(address, b"{}", None, take(cursor), READER)])

        def wait(*asked: Any) -> dict[str, Stored]:
            store.deliver(announced)
            return meanwhile(*asked)

        monkeypatch.setattr(type(store), "meanwhile", wait)
        (told,) = as_stored(cursor, [address.key])
    ((version,),) = sql("SELECT version FROM kck_publish_entry WHERE key = %s", address.key)
    assert (told.version, told.value) == (version, b"{}")


def test_a_follower_is_handed_what_is_set_by_hand(backend: Backend) -> None:
    cache.set("by/hand", [1])
    with connection.cursor() as cursor:
        (told,) = as_stored(cursor, ["by/hand"])
        assert told.value == b"[1]"
        cache.unset("by/hand")
        (told,) = as_stored(cursor, ["by/hand"])
        assert (told.value, told.version) == (None, None)


@dropping
def test_the_listener_waits_for_a_store_that_is_away(
    external: Backend, stoppable: Server, wait_until: Callable[..., Any]
) -> None:
    total()
    drain()
    ready: list[str] = []
    listener = Listener("default", say=ready.append)
    running = Session(listener.run)
    try:
        wait_until(lambda: ready)
        stoppable.stop()
        change()
        wait_until(lambda: not listener.owned, what="the listener lets go of its shards")
        stoppable.start()

        def caught_up() -> bool:
            entry = None
            with suppress(StoreUnreachable):
                entry = stored("item_total/1")
            return entry is not None and entry.body is not None and b"8" in entry.body

        wait_until(caught_up, what="the value is pushed")
    finally:
        listener.stop()
        running.result()
    settle()
    assert total() == 8


def test_a_worker_whose_shard_has_moved_is_refused(backend: Backend) -> None:
    """By the script, before PostgreSQL is asked: the value outside is not touched."""
    if backend.kind != "redis":
        pytest.skip("only Redis and Valkey run a script")
    total()
    drain()
    change()
    desk, other = connect("default"), connect("default")
    try:
        place = shard.take(desk, 0, 1)
        assert place is not None
        stores.current().fence(Fence(0, 1, place.epoch + 1))  # as the next owner does
        before = stored("item_total/1")
        with pytest.raises(Fenced):
            shard_batch.batch(desk, place)
        assert stored("item_total/1") == before
    finally:
        desk.close()
        other.close()
    connection.close()
    sql("UPDATE kck_publish_shard SET epoch = epoch + 1")
    drain()
    assert total() == 8


def test_an_older_value_is_refused_by_the_script(backend: Backend) -> None:
    if backend.kind != "redis":
        pytest.skip("only Redis and Valkey run a script")
    total()
    old = stored("item_total/1")
    assert old is not None
    change()
    drain()
    with connection.cursor() as cursor:
        stores.current().send(cursor, Outgoing(old.stamp, writes=[old]))
        assert Session(total).result() == 8
        stores.current().send(cursor, Outgoing(old.stamp, removals=[old.address]))
    assert Session(total).result() == 8


def test_a_value_that_the_server_refuses(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    if backend.kind != "memcached":
        pytest.skip("only Memcached limits the size of a value")
    Anything.values = {"x": "small"}
    assert Anything.cached.get(name="x") == "small"
    total()
    drain()
    Anything.values = {"x": "large" * 400_000}
    cache.refresh("anything/x")
    change()
    with caplog.at_level(logging.WARNING, "kck_publish"):
        drain()
    assert any("refuses 1 value" in one.getMessage() for one in caplog.records)
    assert total() == 8
    for _ in range(2):
        assert len(Anything.cached.get(name="x")) == 2_000_000
    drain()
    Anything.values = {"x": "small again"}
    cache.refresh("anything/x")
    drain()
    with computes() as seen:
        assert Anything.cached.get(name="x") == "small again"
    assert seen == []


def test_priming_domains_after_a_flush(external: Backend) -> None:
    from kck_publish.ops.prime_domains import prime_domain

    external.flush()
    warmed = prime_domain(registry.get("titles"), lambda done: None)
    assert warmed.total == 1
    with computes() as seen:
        assert cache.get("titles") == []
    assert seen == []


def test_a_row_that_was_written_anew_since_the_look_is_not_adopted(external: Backend) -> None:
    """What the listener has looked at was another value than the row now stands for (F)."""
    total()
    address = Address("item_total/1", registry.get("item_total").fingerprint)
    store = stores.current()
    with connection.cursor() as cursor:
        seen = store.look(cursor, [address]).entries[address.key]
        sql("UPDATE kck_publish_entry SET version = version + 1 WHERE key = %s", address.key)
        store.adopt(cursor, [seen])
        by = "SELECT by FROM kck_publish_entry WHERE key = %s"
        assert sql(by, address.key) == [("reader",)]
        store.adopt(cursor, [store.look(cursor, [address]).entries[address.key]])
        assert sql(by, address.key) == [("listener",)]


@contextmanager
def full(backend: Backend) -> Iterator[None]:
    """Within the block the server takes no values: it is at its maxmemory, and evicts nothing."""
    client = caches["shared"]._cache.get_client(None, write=True)  # type: ignore[attr-defined]
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)


@pytest.mark.parametrize("generic", [False, True], ids=["script", "django's calls"])
def test_a_full_server_is_not_lost(
    backend: Backend,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    generic: bool,
) -> None:
    """What it refuses is removed and computed at each read; the log says so once (C12)."""
    if backend.kind != "redis":
        pytest.skip("only Redis refuses when it is full: the others evict")
    if generic:  # as with a backend that is not Django's own
        monkeypatch.setattr(cache_entries, "RedisValues", lambda cache, prefix: DjangoValues(cache))
        backend.flush()
    total()
    drain()
    with full(backend), caplog.at_level(logging.WARNING, "kck_publish"):
        for amount in (8, 9, 10):
            sql("UPDATE catalog_item SET amount = %s", amount)
            drain()
            assert Session(total).result() == amount
        assert Session(lambda: cache.get("titles")).result() == []
        assert_fresh()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1, said
    assert "full" in said[0]
    total()
    drain()
    assert total() == 10
    assert stored("item_total/1") is not None


@dropping
def test_the_store_is_used_again_at_once(bare: Backend, stoppable: Server) -> None:
    """The client does not leave the server alone for minutes, as pymemcache does (C12)."""
    total()
    stoppable.stop()
    for _ in range(5):  # after some errors pymemcache takes a server for dead
        assert total() == 5
    stoppable.start()
    total()
    with computes() as seen:
        assert total() == 5
    assert seen == []
