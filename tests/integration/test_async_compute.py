"""``async def compute`` and ``async def compute_many``: as any other, by listeners and readers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection, connections, transaction

from kck_publish import (
    Cache,
    ComputeTimeout,
    Depends,
    IntegerParameter,
    Primer,
    UndeclaredRead,
    primer,
)
from kck_publish.products import registry
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import Session, computes, drain, sql
from tests.catalog.models import Item, Tag
from tests.catalog.primers import note

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()
seen: dict[str, Any] = {}
hangs: set[int] = set()
NAMES = ["later", "later_pass", "later_over", "later_short", "later_stray", "later_stuck"]
ON = Depends(Item, n="group", columns=["amount"])
BACKEND = "SELECT pg_backend_pid(), pg_current_xact_id_if_assigned() IS NULL, now()"


async def _amount(n: int) -> int:
    await asyncio.sleep(0)
    return sum([one async for one in Item.objects.filter(group=n).values_list("amount", flat=True)])


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    class Later(Primer):
        key = "later"
        parameters = (IntegerParameter("n"),)
        depends_on = (ON,)

        async def compute(self, n: int) -> int:
            note("later", n=n)
            seen["isolation"] = (await sync_to_async(sql)("SHOW transaction_isolation"))[0][0]
            seen["backend"] = (await sync_to_async(sql)(BACKEND))[0]
            return await _amount(n)

    class Pass(Primer):
        key = "later_pass"
        parameters = (IntegerParameter("n"),)
        depends_on = (ON,)

        async def compute(self, n: int) -> int:
            return await _amount(n)

        async def compute_many(self, parameters: Sequence[Mapping[str, Any]]) -> list[int]:
            note("later_pass", many=len(parameters))
            # Each in a task of its own: what is read there is recorded too.
            return list(await asyncio.gather(*(_amount(**one) for one in parameters)))

    @primer("later_over/<int:n>")
    async def over(n: int) -> int:
        first, second = await asyncio.gather(cache_read(n), cache_read(n + 1))
        return first + second

    async def cache_read(n: int) -> int:
        return int(await Later.cached.aget(n=n))

    @primer("later_short/<int:n>", depends_on=[ON], time_limit=timedelta(seconds=1))
    async def short(n: int) -> int:
        if n in hangs:
            await asyncio.sleep(60)
        return await _amount(n)

    @primer("later_stuck/<int:n>", depends_on=[ON], time_limit=timedelta(seconds=1))
    async def stuck(n: int) -> int:
        if n in hangs:
            await sync_to_async(sql)("SELECT pg_sleep(15)")
        return await _amount(n)

    @primer("later_stray", depends_on=[Item])
    async def stray() -> int:
        return await Tag.objects.acount()

    yield
    for name in NAMES:
        registry.unregister(name)


@pytest.fixture(autouse=True)
def world(transactional_db: None) -> None:
    for n in (1, 2, 3):
        Item.objects.create(name=f"i{n}", group=n, amount=n)
    drain()
    seen.clear()
    hangs.clear()


def _write(amount: int) -> None:
    Item.objects.update(amount=amount)


def test_a_reader_and_a_listener_compute_it() -> None:
    assert cache.get("later/1") == 1
    drain()
    _write(7)
    with computes() as computed:
        drain()
    assert computed == ["later"]
    assert seen["isolation"] == "repeatable read"  # the batch's own transaction
    assert cache.get("later/1") == 7
    assert_fresh("later")


def test_it_computes_in_the_transaction_of_its_reader() -> None:
    with transaction.atomic():
        mine = sql(BACKEND)[0]
        cache.get("later/1")
    assert seen["backend"] == mine
    with transaction.atomic():
        _write(9)  # not committed: seen, and not stored
        assert cache.get("later/1") == 9
        transaction.set_rollback(True)
    assert cache.get("later/1") == 1


def test_a_pass_over_many_keys() -> None:
    keys = ["later_pass/1", "later_pass/2", "later_pass/3"]
    with computes() as computed:
        assert list(cache.get_many(keys).values()) == [1, 2, 3]
    assert computed == ["later_pass"]
    drain()
    _write(4)
    with computes() as computed:
        drain()
    assert computed == ["later_pass"]
    assert list(cache.get_many(keys).values()) == [4, 4, 4]


@pytest.mark.parametrize("stored", [True, False])
def test_what_it_reads_is_recorded(stored: bool) -> None:
    if stored:
        cache.get_many(["later/1", "later/2"])
    assert cache.get("later_over/1") == 3
    assert set(sql("SELECT key, read_key FROM kck_publish_edge")) == {
        ("later_over/1", "later/1"),
        ("later_over/1", "later/2"),
    }
    drain()
    _write(10)
    drain()
    assert cache.entry("later_over/1").value == 20


def test_read_from_an_event_loop() -> None:
    """The readers' own loop awaits it; their other tasks go on meanwhile."""

    async def read() -> list[Any]:
        later = registry.graph().products["later"].sender
        values = await asyncio.gather(*(later.cached.aget(n=n) for n in (1, 2, 3)))  # type: ignore[attr-defined]
        return [*values, await later.cached.aget(n=1)]  # type: ignore[attr-defined]

    assert async_to_sync(read)() == [1, 2, 3, 1]

    async def anew() -> list[Any]:
        try:
            return await read()
        finally:
            await sync_to_async(connections.close_all)()

    assert asyncio.run(anew()) == [1, 2, 3, 1]
    assert Session(lambda: async_to_sync(read)()).result() == [1, 2, 3, 1]
    assert sql("SELECT count(*) FROM kck_publish_entry WHERE product = 'later'") == [(3,)]


@pytest.mark.long
@pytest.mark.parametrize("product", ["later_short", "later_stuck"])
def test_it_is_cancelled_when_its_time_is_up(product: str) -> None:
    keys = [f"{product}/{n}" for n in (1, 2)]
    cache.get_many(keys)
    drain()
    hangs.add(2)
    _write(5)
    drain()
    [(key, error)] = sql("SELECT key, error FROM kck_publish_failure")
    assert key == f"{product}/2"
    assert "ComputeTimeout" in error
    assert cache.entry(keys[0]).value == 5
    assert cache.entry(keys[1]).value == 2
    assert sql("SHOW statement_timeout") == [("0",)]
    with pytest.raises(ComputeTimeout):
        cache.refresh(keys[1], queued=False)
    with pytest.raises(ComputeTimeout):
        Session(lambda: cache.refresh(keys[1], queued=False)).result()

    async def read() -> None:
        try:
            await registry.graph().products[product].sender.cached.aget(n=3)  # type: ignore[attr-defined]
        finally:
            await sync_to_async(connections.close_all)()

    hangs.add(3)
    with pytest.raises(ComputeTimeout):
        asyncio.run(read())


def test_the_linter_looks_at_it(settings: Any) -> None:
    settings.KCK_PUBLISH = {"STRICT": True}
    with pytest.raises(UndeclaredRead, match="catalog_tag"):
        cache.get("later_stray")
    assert cache.get("later/1") == 1


def test_an_error_in_it_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError):
        type(
            "LaterFailing",
            (Primer,),
            {"key": "later_failing", "compute": _fails, "__module__": __name__},
        ).cached.get()  # type: ignore[attr-defined]
    registry.unregister("later_failing")
    assert not connection.in_atomic_block


async def _fails(self: Any) -> int:
    return 1 // (await Item.objects.filter(name="none").acount())
