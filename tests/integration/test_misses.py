"""Misses inside computes are misses like any other: stored, and in single flight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from psycopg import IsolationLevel

from kck_publish import Cache, Depends, IntegerParameter, Primer
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog import primers
from tests.catalog.fixtures import Gate, Session, drain, interfering, sql, stored
from tests.catalog.models import Item

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


def note(product: str, **parameters: Any) -> None:
    primers.computed.append((product, parameters))
    for call in list(primers.interfere):
        call(product, parameters)


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    class Shared(Primer):
        """Below all others."""

        key = "miss_shared"
        depends_on = (Depends(Item),)

        def compute(self) -> int:
            note("miss_shared")
            return Item.objects.count()

    class Parity(Primer):
        """Changes seldom."""

        key = "miss_parity"
        parameters = (IntegerParameter("group"),)
        depends_on = (Depends(Item, group="group", columns=["amount"]),)

        def compute(self, group: int) -> int:
            note("miss_parity", group=group)
            return sum(Item.objects.filter(group=group).values_list("amount", flat=True)) % 2

    class Top(Primer):
        """Over them, without a declaration."""

        key = "miss_top"
        parameters = (IntegerParameter("group"),)

        def compute(self, group: int) -> list[int]:
            note("miss_top", group=group)
            shared, parity = cache.get("miss_shared"), cache.get(f"miss_parity/{group}")
            return [shared, parity, cache.get(f"miss_parity/{group}")]

    class Crossed(Primer):
        """Reads two others, in the order of its own parameter."""

        key = "miss_crossed"
        parameters = (IntegerParameter("group"),)

        def compute(self, group: int) -> int:
            first, second = (1, 2) if group == 1 else (2, 1)
            value = cache.get(f"miss_parity/{first}")
            note("miss_crossed", group=group)
            return int(value) + int(cache.get(f"miss_parity/{second}"))

    class Hundred(Primer):
        """Over a hundred others."""

        key = "miss_hundred"

        def compute(self) -> int:
            note("miss_hundred")
            return sum(cache.get_many([f"miss_parity/{group}" for group in range(100)]).values())

    class OverTotal(Primer):
        """Over an augmentable product."""

        key = "miss_over_total"

        def compute(self) -> int:
            return int(cache.get("item_total/1")["amount"])

    declared = (Shared, Parity, Top, Crossed, Hundred, OverTotal)
    yield
    for product in declared:
        registry.unregister(product.key)


@pytest.fixture(autouse=True)
def items(transactional_db: None) -> list[Item]:
    items = Item.objects.bulk_create(
        [Item(name=f"i{group}", group=group, amount=2 * group) for group in range(5)]
    )
    drain()
    del primers.computed[:]
    return items


def counted() -> Counter[str]:
    counter = Counter(name for name, _ in primers.computed)
    del primers.computed[:]
    return counter


def test_what_a_compute_misses_is_stored() -> None:
    """A product that is read inside another's lazy prime is stored, and computed once (B0)."""
    assert cache.get("miss_top/1") == [5, 0, 0]
    assert counted() == {"miss_top": 1, "miss_shared": 1, "miss_parity": 1}
    assert stored("miss_shared")
    assert stored("miss_parity/1")
    assert [cache.get(f"miss_top/{group}")[0] for group in range(2, 5)] == [5, 5, 5]
    assert counted() == {"miss_top": 3, "miss_parity": 3}
    drain()
    assert_fresh()


def test_readers_of_different_products_compute_what_is_below_once() -> None:
    """Five readers of ``top/<a>`` compute the shared product below it once (B0)."""
    gate = Gate("miss_shared")
    with interfering(gate):
        readers = [
            Session(lambda group=group: cache.get(f"miss_top/{group}"))  # type: ignore[misc]
            for group in range(5)
        ]
        gate.wait()
        gate.open()
        assert [reader.result() for reader in readers] == [[5, 0, 0]] * 5
    assert counted() == {"miss_top": 5, "miss_shared": 1, "miss_parity": 5}
    assert all(stored(f"miss_top/{group}") for group in range(5))


def test_readers_that_wait_for_each_other_compute_for_themselves() -> None:
    """Two computes that read two keys in opposite orders end, with the right values (B0)."""
    gates = [Gate("miss_crossed"), Gate("miss_crossed")]
    passed: list[Any] = []

    def both(product: str, parameters: Any) -> None:
        if product == "miss_crossed" and parameters["group"] < 3:
            passed.append(parameters)
            gates[parameters["group"] - 1](product, parameters)

    with interfering(both):
        readers = [
            Session(lambda group=group: cache.get(f"miss_crossed/{group}"))  # type: ignore[misc]
            for group in (1, 2)
        ]
        for gate in gates:
            gate.wait()
        for gate in gates:
            gate.open()
        assert [reader.result() for reader in readers] == [0, 0]
    assert len(passed) == 2
    drain()
    assert_fresh()


def test_an_unchanged_value_stops_a_chain_that_was_primed_lazily() -> None:
    """An unchanged ``parity`` wakes nothing above it (B0)."""
    cache.get("miss_top/1")
    drain()
    counted()
    before = stored("miss_top/1")
    sql('UPDATE catalog_item SET amount = amount + 2 WHERE "group" = 1')
    drain()
    drain()
    computed = counted()
    assert computed["miss_parity"] == 1
    assert computed["miss_top"] == 0
    assert stored("miss_top/1") == before
    sql('UPDATE catalog_item SET amount = amount + 1 WHERE "group" = 1')
    drain()
    drain()
    assert cache.get("miss_top/1") == [5, 1, 1]
    assert_fresh()


def test_a_product_over_a_hundred_stored_ones_computes_none_of_them() -> None:
    """What is stored is read, what is missed is computed in one go and stored (B0)."""
    cache.get_many([f"miss_parity/{group}" for group in range(100)])
    counted()
    assert cache.get("miss_hundred") == 0
    assert counted() == {"miss_hundred": 1}
    cache.clear()
    assert cache.get("miss_hundred") == 0
    assert counted() == {"miss_hundred": 1, "miss_parity": 100}
    assert stored("miss_parity/99")
    drain()
    assert_fresh()


def test_an_augmentable_product_is_stored_from_inside_another() -> None:
    """One that is amended is stored when nobody has committed while it was computed (B0)."""
    for _attempt in range(
        20
    ):  # the tests beside this one commit too, in databases of the same server
        assert cache.get("miss_over_total") == 2
        if stored("item_total/1"):
            break
        cache.clear()
    assert stored("item_total/1")
    sql('UPDATE catalog_item SET amount = amount + 1 WHERE "group" = 1')
    drain()
    drain()
    assert cache.get("miss_over_total") == 3
    cache.clear()

    def commits(product: str, parameters: Any) -> None:
        if product == "item_total":
            Session(lambda: sql("UPDATE catalog_item SET amount = amount + 1")).result()

    with interfering(commits):
        cache.get("miss_over_total")
    assert stored("item_total/1") is None
    drain()
    drain()
    assert_fresh()


def test_in_a_transaction_what_a_compute_misses_is_stored_on_commit() -> None:
    """As the value itself, and not if the transaction is rolled back (B0)."""
    with transaction.atomic():
        cache.get("miss_top/1")
        assert stored("miss_shared") is None
        transaction.set_rollback(True)
    assert stored("miss_shared") is None
    with transaction.atomic():
        cache.get("miss_top/1")
    assert stored("miss_shared")
    assert stored("miss_parity/1")
    drain()
    assert_fresh()


def test_what_fails_above_keeps_what_was_computed_below() -> None:
    """A compute that raises after it has missed a key stores that key alone (B0)."""

    def fail(product: str, parameters: Any) -> None:
        if product == "miss_parity":
            raise ZeroDivisionError(product)

    with interfering(fail), pytest.raises(ZeroDivisionError):
        cache.get("miss_top/1")
    assert stored("miss_shared")
    assert stored("miss_top/1") is None

    def broken(product: str, parameters: Any) -> None:
        if product == "miss_parity":
            sql("SELECT no_such_column")

    cache.clear()
    with interfering(broken), pytest.raises(Exception, match="no_such_column"):
        cache.get("miss_top/1")
    assert stored("miss_shared") is None  # the transaction was lost
    assert cache.get("miss_top/1") == [5, 0, 0]
    assert connection.is_usable()
    assert "miss_top" in registry.graph().products


def test_no_row_is_locked_while_a_compute_runs() -> None:
    """What is missed inside is written when the compute has ended: a batch is not held up (B0)."""
    gate = Gate("miss_parity")
    with interfering(gate):
        reader = Session(lambda: cache.get("miss_top/1"))
        gate.wait()
        with transaction.atomic():
            sql("SET LOCAL lock_timeout = '1s'")
            cache.set("miss_shared", 7)
        gate.open()
        reader.result()
    assert cache.get("miss_shared") == 7


OWN_LOCKS = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
"""


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_a_miss_is_computed_at_the_isolation_level_of_the_options(
    level: IsolationLevel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def look(*_: Any) -> None:
        seen.extend(sql("SHOW transaction_isolation"))

    connection.close()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "isolation_level", level)
    try:
        with interfering(look):
            assert cache.get("miss_shared") == Item.objects.count()
        assert seen == [(level.name.lower().replace("_", " "),)]
        Item.objects.create(group=1, amount=1)
        drain()
        assert_fresh("miss_shared")
        assert stored("miss_shared") is not None
    finally:
        connection.close()


def test_many_missing_keys_are_locked_in_portions() -> None:
    """The server's table of locks, which all sessions share, is not exhausted (C5)."""
    held: list[int] = []

    def count(product: str, parameters: Any) -> None:
        if parameters.get("group", 0) % 100 == 0:
            held.append(sql(OWN_LOCKS)[0][0])

    keys = [f"miss_parity/{group}" for group in range(1200)]
    with interfering(count):
        assert set(cache.get_many(keys).values()) == {0}
    assert max(held) <= 500 < sum(bool(stored(key)) for key in (keys[0], keys[-1])) + 500
    with transaction.atomic(), interfering(count):
        cache.clear()
        cache.get_many(keys)
    assert max(held) <= 500
