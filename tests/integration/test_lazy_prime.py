"""Promises 4 and 6: a miss is computed once, and a slow prime never outlives a change.

Real sessions in threads; a gate holds a compute until the test has done its part.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from kck_publish import Cache, NotPrimed, Unserializable, stores
from kck_publish.listener import session
from kck_publish.postgres import connect
from kck_publish.reading import entries, prime, primed_together, tiers
from kck_publish.stores.entry_table import EntryTable
from kck_publish.testing import assert_fresh
from tests.catalog import primers
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
from tests.catalog.models import Author, Item
from tests.catalog.primers import Anything, AuthorPage, ItemNames, ItemTotal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("over")]
cache = Cache.get_instance()

# A product that is recomputed, and one that is augmented: their primes differ in isolation.
KINDS: dict[str, Callable[[], Any]] = {
    "item_names": lambda: [name for _, name in ItemNames.cached.get(group=1)],
    "item_total": lambda: ItemTotal.cached.get(group=1)["amount"],
}


@pytest.fixture(autouse=True)
def row(transactional_db: None) -> Item:
    row = Item.objects.create(name="5", group=1, amount=5)
    drain()
    return row


def change(amount: int = 8) -> None:
    sql("UPDATE catalog_item SET amount = %s, name = %s", amount, str(amount))


def value(product: str, amount: int) -> Any:
    return [str(amount)] if product == "item_names" else amount


@pytest.mark.parametrize("product", KINDS)
def test_many_readers_of_a_cold_key_make_one_compute(product: str) -> None:
    gate, start = Gate(product), threading.Barrier(30)

    def read() -> Any:
        connection.ensure_connection()
        start.wait(20)
        return KINDS[product]()

    with computes() as seen, interfering(gate):
        readers = [Session(read) for _ in range(30)]
        gate.wait()
        gate.open()
        assert [reader.result() for reader in readers] == [value(product, 5)] * 30
    assert seen == [product]


@pytest.mark.parametrize("product", KINDS)
def test_what_was_stored_between_the_miss_and_the_lock_is_taken(
    product: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody computes when this reader comes to it: somebody already has."""
    original = prime.prime

    def late(*args: Any) -> Any:
        monkeypatch.undo()
        Session(KINDS[product]).result()
        return original(*args)

    monkeypatch.setattr(tiers, "prime", late)
    with computes() as seen:
        assert KINDS[product]() == value(product, 5)
    assert seen == [product]


def test_many_readers_of_many_cold_keys() -> None:
    Item.objects.bulk_create([Item(name=f"i{n}", group=n, amount=n) for n in range(2, 12)])
    wanted = [{"group": n} for n in range(2, 12)]

    def read(turn: int) -> Any:
        some = wanted[turn % 10 :] + wanted[: turn % 10]
        totals: list[Any] = ItemTotal.cached.get_many(some)
        return sum(total["amount"] for total in totals)

    before = len(primers.computed)
    readers = [Session(lambda turn=turn: read(turn)) for turn in range(12)]  # type: ignore[misc]
    assert {reader.result() for reader in readers} == {sum(range(2, 12))}
    counted = Counter(str(parameters) for _, parameters in primers.computed[before:])
    assert set(counted.values()) == {1}


def overtaken(product: str) -> None:
    """A reader primes from before a change that the listener has already handled."""
    gate = Gate(product)
    with interfering(gate):
        reader = Session(KINDS[product])
        gate.wait()
        change()
        drain()
        gate.open()
        reader.result()


@pytest.mark.parametrize("product", KINDS)
def test_a_change_handled_while_a_prime_computes_is_not_lost(product: str) -> None:
    """Claim before add: the listener did not see the key, so the reader sees the claim."""
    overtaken(product)
    drain()
    assert KINDS[product]() == value(product, 8)
    assert_fresh()


@pytest.mark.parametrize("product", KINDS)
def test_a_reader_that_was_overtaken_asks_for_a_refresh(product: str) -> None:
    """At once: there may be no further batch for long."""
    overtaken(product)
    assert cache.is_refreshing(f"{product}/1")


@pytest.mark.parametrize("product", KINDS)
def test_the_next_batch_primes_what_was_added_late(product: str) -> None:
    """Even if the reader dies between its add and its look."""
    overtaken(product)
    sql("DELETE FROM kck_publish_change WHERE op = 'refresh'")
    drain()
    assert KINDS[product]() == value(product, 8)
    assert_fresh()


@pytest.mark.parametrize("product", KINDS)
def test_a_change_committed_while_a_prime_computes_and_handled_later(product: str) -> None:
    """Change before add, claim after: the listener sees the key."""
    gate = Gate(product)
    with interfering(gate):
        reader = Session(KINDS[product])
        gate.wait()
        change()
        gate.open()
        reader.result()
    assert stored(f"{product}/1") is not None
    drain()
    assert KINDS[product]() == value(product, 8)
    assert_fresh()


@pytest.mark.parametrize("product", KINDS)
def test_added_between_the_claim_and_the_look(
    product: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listener has claimed, the reader adds, the listener looks: it primes what is old."""
    gate = Gate(product)
    primers.interfere.append(gate)
    original = EntryTable.lazy_query

    def lazy(self: Any, *args: Any) -> Any:
        gate.open()
        reader.result()
        return original(self, *args)

    try:
        reader = Session(KINDS[product])
        gate.wait()
        change()
        monkeypatch.setattr(EntryTable, "lazy_query", lazy)
        drain()
    finally:
        primers.interfere.remove(gate)
    monkeypatch.undo()
    drain()
    assert KINDS[product]() == value(product, 8)
    assert_fresh()


@pytest.mark.parametrize("product", KINDS)
def test_added_after_the_look(product: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener has looked and found nothing; the reader adds before the cursor moves."""
    gate = Gate(product)
    original = session.BatchSession.writing

    def writing(self: Any, last: bool) -> Any:
        gate.open()
        reader.result()
        return original(self, last)

    primers.interfere.append(gate)
    try:
        reader = Session(KINDS[product])
        gate.wait()
        change()
        monkeypatch.setattr(session.BatchSession, "writing", writing)
        drain()
    finally:
        primers.interfere.remove(gate)
    monkeypatch.undo()
    drain()
    assert KINDS[product]() == value(product, 8)
    assert_fresh()


@pytest.mark.parametrize("product", KINDS)
def test_a_reader_that_adds_after_the_look_sees_the_claim(product: str) -> None:
    """The listener has claimed before it looked, so the reader asks at once."""
    KINDS["item_names"]()  # what this batch computes, after it has looked what is stored
    KINDS["item_total"]()
    drain()
    sql("DELETE FROM kck_publish_entry WHERE product = %s", product)
    settle()
    other = next(one for one in KINDS if one != product)
    slow, batch = Gate(product), Gate(other if other == "item_names" else f"{other}+")
    with interfering(slow), interfering(batch):
        reader = Session(KINDS[product])
        slow.wait()
        change()
        listener = Session(drain)
        batch.wait()  # it has looked: the key was not there
        slow.open()
        reader.result()
        assert cache.is_refreshing(f"{product}/1")
        batch.open()
        listener.result()
    assert KINDS[product]() == value(product, 8)
    assert_fresh()


@pytest.mark.parametrize("product", KINDS)
def test_a_slow_prime_never_overwrites(product: str) -> None:
    """While it computes, another value is stored (by hand, as by a listener): that one stays."""
    gate = Gate(product)
    with interfering(gate):
        slow = Session(KINDS[product])
        gate.wait()
        change()
        cache.refresh(f"{product}/1")  # the listener primes it, stored or not
        primers.interfere.remove(gate)
        drain()
        primers.interfere.append(gate)
        after = stored(f"{product}/1")
        gate.open()
        slow.result()
    assert after is not None
    assert stored(f"{product}/1") == after
    assert KINDS[product]() == value(product, 8)
    drain()
    assert_fresh()


@pytest.mark.parametrize("product", KINDS)
def test_a_slow_refresh_by_hand_never_overwrites_a_later_value(product: str) -> None:
    """``refresh(queued=False)`` overwrites, but not what is of a later state."""
    KINDS[product]()
    drain()
    gate = Gate(product)
    with interfering(gate):
        slow = Session(lambda: cache.refresh(f"{product}/1", queued=False))
        gate.wait()
        primers.interfere.remove(gate)
        change()
        drain()
        primers.interfere.append(gate)
        after = stored(f"{product}/1")
        gate.open()
        slow.result()
    assert after is not None
    assert stored(f"{product}/1") == after
    drain()
    assert KINDS[product]() == value(product, 8)
    assert_fresh()


def test_a_prime_in_a_transaction_races_as_well() -> None:
    gate = Gate("item_names")

    def read() -> Any:
        with transaction.atomic():
            return KINDS["item_names"]()

    with interfering(gate):
        reader = Session(read)
        gate.wait()
        change()
        drain()
        gate.open()
        assert reader.result() in (["5"], ["8"])
    drain()
    assert KINDS["item_names"]() == ["8"]
    assert_fresh()


def test_an_augmented_value_is_not_kept_from_a_transaction_of_many_snapshots() -> None:
    with transaction.atomic():
        assert KINDS["item_total"]() == 5
    assert stored("item_total/1") is None


def test_a_prime_inside_a_transaction_is_stored_on_commit() -> None:
    with transaction.atomic():
        assert KINDS["item_names"]() == ["5"]
        assert stored("item_names/1") is None
    assert stored("item_names/1") is not None
    drain()
    assert_fresh()


def test_a_failing_compute_raises_to_the_reader_and_stores_nothing() -> None:
    def fail(product: str, parameters: Any) -> None:
        raise ZeroDivisionError(product)

    with interfering(fail):
        readers = [Session(KINDS["item_names"]) for _ in range(5)]
        for reader in readers:
            with pytest.raises(ZeroDivisionError, match="item_names"):
                reader.result()
    assert stored("item_names/1") is None
    assert KINDS["item_names"]() == ["5"]


def test_a_compute_with_a_database_error_leaves_the_connection_usable() -> None:
    def fail(product: str, parameters: Any) -> None:
        sql("SELECT no_such_column")

    with interfering(fail), pytest.raises(Exception, match="no_such_column"):
        KINDS["item_total"]()
    assert KINDS["item_total"]() == 5


def test_a_product_that_does_not_exist() -> None:
    with pytest.raises(Author.DoesNotExist):
        AuthorPage.cached.get(author=1)
    assert stored("author_page/1") is None


def test_a_value_that_cannot_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Anything, "values", {"x": {"a": [1, {2: object()}]}})
    with pytest.raises(Unserializable, match=r"a.*1"):
        cache.get("anything/x")
    assert stored("anything/x") is None


def test_priming_may_be_forbidden() -> None:
    with pytest.raises(NotPrimed, match="kck_prime item_names"):
        cache.get("item_names/1", prime_on_cache_miss=False)
    assert stored("item_names/1") is None


def test_readers_wait_for_no_listener_lock(row: Item) -> None:
    """A batch that is held in the middle of a compute holds up no reader and no writer."""
    KINDS["item_total"]()
    KINDS["item_names"]()
    drain()
    gate = Gate("item_names")
    change()
    with interfering(gate):
        listener = Session(drain)
        gate.wait()
        with transaction.atomic():
            sql("SET LOCAL lock_timeout = '1s'")
            assert Session(lambda: cache.get("item_total/1")).result()["amount"] == 5
            change(9)
            assert KINDS["item_total"]() == 9
        gate.open()
        listener.result()
    drain()
    assert_fresh()


def test_the_serialization_failure_of_two_primes_is_ours_to_handle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Repeatable read: somebody has stored the key since our snapshot. Theirs holds."""
    original = entries.entries_of

    def entries_of(*args: Any) -> Any:
        Session(other).result()
        return original(*args)

    def other() -> None:
        desk = connect("default")
        try:
            sql(
                "INSERT INTO kck_publish_entry (digest, fingerprint, key, product, bucket, body, "
                "stamp, by) VALUES (%s, %s, 'item_total/1', 'item_total', %s, %s, "
                "pg_current_snapshot(), 'reader')",
                address.digest,
                address.fingerprint,
                address.bucket,
                b'{"count": 1, "amount": 5}',
            )
        finally:
            desk.close()

    from kck_publish.products import registry

    address = stores.Address("item_total/1", registry.get("item_total").fingerprint)
    monkeypatch.setattr(primed_together, "entries_of", entries_of)
    try:
        assert KINDS["item_total"]() == 5
    except OperationalError as error:  # pragma: no cover
        pytest.fail(str(error))
    assert connection.is_usable()
