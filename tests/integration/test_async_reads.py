"""Reads of asynchronous code: together where they ask, at once where nothing is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async

from kck_publish import NotPrimed
from kck_publish.request import GlobalRequest
from tests.catalog.fixtures import drain, followed, sql
from tests.catalog.models import Author, Item
from tests.catalog.primers import Fragile, ItemNames, ItemTotal, OnlyPrimed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def authors(transactional_db: None) -> list[Author]:
    found = [Author.objects.create(slug=f"a{n}", first="A", last=f"B{n}") for n in range(20)]
    Item.objects.create(name="i", group=1, amount=5)
    drain()
    for author in found:
        Author.cached.get(slug=author.slug)
    Author.cached.filter(last="B1")
    ItemTotal.cached.get(group=1)
    return found


def at_once(read: Coroutine[Any, Any, Any]) -> Any:
    """What an ``await`` gives that waits for nothing."""
    with pytest.raises(StopIteration) as ended:
        read.send(None)
    return ended.value.value


def test_reads_of_one_turn_ask_together(
    authors: list[Author], django_assert_num_queries: Callable[..., Any]
) -> None:
    """Twenty rows, each awaited alone, are one query (D10)."""

    async def read() -> list[Author]:
        return list(await asyncio.gather(*(Author.cached.aget(pk=one.pk) for one in authors)))

    with django_assert_num_queries(1):
        assert async_to_sync(read)() == authors


def test_so_do_products_rows_and_lists(
    authors: list[Author], django_assert_num_queries: Callable[..., Any]
) -> None:
    async def read() -> list[Any]:
        return list(
            await asyncio.gather(
                Author.cached.aget(slug="a1"),
                Author.cached.ain_bulk([authors[2].pk, authors[3].pk]),
                Author.cached.afilter(last="B1"),
                ItemTotal.cached.aget(group=1),
                ItemTotal.cached.aget_bytes(group=1),
                ItemTotal.cached.aget_many([{"group": 1}]),
            )
        )

    with django_assert_num_queries(1):
        one, some, listed, total, body, many = async_to_sync(read)()
    assert one == authors[1]
    assert some == {author.pk: author for author in authors[2:4]}
    assert listed == [authors[1]]
    assert total == many[0] == {"count": 1, "amount": 5}
    assert body == b'{"count":1,"amount":5}'


def test_each_reader_has_its_own_object(authors: list[Author]) -> None:
    async def read() -> list[Author]:
        return list(await asyncio.gather(*[Author.cached.aget(pk=authors[0].pk) for _ in range(2)]))

    first, second = async_to_sync(read)()
    assert first == second
    assert first is not second


def test_what_contexts_hold_is_not_compared(authors: list[Author]) -> None:
    """Arrays, and the frames made of them, raise; an empty list is equal to every other."""

    class Array:
        def __eq__(self, other: object) -> bool:
            raise ValueError("the truth value of an array is ambiguous")

        __hash__ = None  # type: ignore[assignment]

    held: ContextVar[Any] = ContextVar("held")

    async def own(author: Author) -> Author:
        held.set(Array())
        return await Author.cached.aget(pk=author.pk)

    async def read() -> list[Author]:
        return list(await asyncio.gather(*map(own, authors)))

    assert async_to_sync(read)() == authors


def test_what_fails_for_one_reader_harms_no_other(
    authors: list[Author], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Fragile, group: int) -> None:
        raise ValueError

    monkeypatch.setattr(Fragile, "compute", fails)

    async def read() -> list[Any]:
        return list(
            await asyncio.gather(
                Author.cached.aget(pk=authors[0].pk),
                Author.cached.aget(pk=0),
                Fragile.cached.aget(group=13),
                OnlyPrimed.cached.aget(name="x"),
                Author.cached.aget(pk=authors[1].pk),
                return_exceptions=True,
            )
        )

    first, absent, failed, unprimed, last = async_to_sync(read)()
    assert [first, last] == authors[:2]
    assert isinstance(absent, Author.DoesNotExist)
    assert isinstance(failed, ValueError)
    assert isinstance(unprimed, NotPrimed)


def test_a_cancelled_reader_harms_no_other(authors: list[Author]) -> None:
    async def read() -> Author:
        cancelled = asyncio.create_task(Author.cached.aget(pk=authors[0].pk))
        other = asyncio.create_task(Author.cached.aget(pk=authors[1].pk))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        return await other

    assert async_to_sync(read)() == authors[1]


who: ContextVar[str] = ContextVar("who", default="nobody")


def test_another_context_is_read_for_apart(authors: list[Author], monkeypatch: Any) -> None:
    """What a compute asks of its context is the reader's own: no other one's (a tenant, say)."""
    seen: list[str] = []
    compute = ItemNames.compute

    def noting(self: ItemNames, **parameters: Any) -> Any:
        seen.append(who.get())
        return compute(self, **parameters)

    monkeypatch.setattr(ItemNames, "compute", noting)

    async def as_one(name: str, group: int) -> None:
        who.set(name)
        await ItemNames.cached.aget(group=group)

    async def read() -> None:
        await asyncio.gather(as_one("one", 1), as_one("other", 2))

    async_to_sync(read)()
    assert sorted(seen) == ["one", "other"]


def test_what_the_request_has_read_needs_no_thread(authors: list[Author]) -> None:
    async def read() -> None:
        row = await Author.cached.aget(slug="a1")
        assert at_once(Author.cached.aget(slug="a1")) is row
        assert at_once(Author.cached.ain_bulk(["a1"], field_name="slug")) == {"a1": row}
        total = await ItemTotal.cached.aget(group=1)
        assert at_once(ItemTotal.cached.aget(group=1)) == total

    with GlobalRequest():
        async_to_sync(read)()


@pytest.fixture
def near(authors: list[Author], tmp_path: Path, settings: Any) -> Iterator[list[Author]]:
    settings.KCK_PUBLISH = {"NEAR": str(tmp_path / "near")}
    with followed(str(tmp_path / "near")):
        drain()
        yield authors


def test_what_is_near_needs_no_thread(near: list[Author]) -> None:
    async def read() -> None:
        assert await Author.cached.aget(pk=near[0].pk) == near[0]  # that nothing is written is told
        await ItemTotal.cached.aget(group=1)
        assert at_once(Author.cached.aget(pk=near[0].pk)) == near[0]
        assert at_once(ItemTotal.cached.aget_bytes(group=1)) == b'{"count":1,"amount":5}'
        assert at_once(ItemTotal.cached.aget(group=1))["amount"] == 5

    async_to_sync(read)()
    asyncio.run(read())
    with GlobalRequest():
        async_to_sync(read)()


def test_own_writes_of_asynchronous_code_are_seen(near: list[Author]) -> None:
    """Written by Django's thread, and read where nothing of that thread is known."""

    async def write_and_read(last: str) -> None:
        row = near[0]
        await Author.cached.aget(pk=row.pk)
        row.last = last
        await row.asave()
        assert (await Author.cached.aget(pk=row.pk)).last == last
        await asyncio.gather(Author.objects.filter(pk=row.pk).aupdate(last=f"{last}!"))
        assert (await Author.cached.aget(pk=row.pk)).last == f"{last}!"

    async def as_a_request(last: str) -> None:
        async with ThreadSensitiveContext():
            await write_and_read(last)
            await sync_to_async(closed)()

    def closed() -> None:
        from django.db import connections

        connections.close_all()

    async_to_sync(write_and_read)("1")
    asyncio.run(as_a_request("2"))
    assert sql("SELECT last FROM catalog_author WHERE id = %s", near[0].pk) == [("2!",)]
