"""``.cached.watch``: values as they come, in Python; ``kck_watch`` prints versions."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command

from kck_publish import Cache, UndeclaredLookup
from kck_publish.contrib.live import close_hub, process_hub
from tests.catalog.fixtures import Session, drain
from tests.catalog.models import Author
from tests.catalog.primers import Anything, AuthorPage
from tests.live.conftest import page, rename

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_hub() -> Iterator[None]:
    yield
    close_hub()


async def after(stream: AsyncIterator[Any], change: Any, *args: Any) -> Any:
    """What comes next, once something has changed."""
    await sync_to_async(change)(*args)
    return await asyncio.wait_for(anext(stream), 10)


def test_the_values_of_a_primer_come(authors: list[Author]) -> None:
    async def run() -> None:
        stream = AuthorPage.cached.watch(author=authors[0].pk)
        assert (await after(stream, drain))["name"] == "ann L"
        assert (await after(stream, rename, authors[0], "eve"))["name"] == "eve L"
        hub = process_hub.running()
        assert hub is not None
        hub.end()  # it is followed by another, and nothing comes twice
        assert (await after(stream, rename, authors[0], "fay"))["name"] == "fay L"
        with pytest.raises(Author.DoesNotExist.__mro__[1]):
            await after(stream, lambda: (authors[0].delete(), drain()))

    asyncio.run(run())


def test_a_cleared_value_is_primed_and_not_gone(authors: list[Author]) -> None:
    async def run() -> None:
        stream = AuthorPage.cached.watch(author=authors[0].pk)
        await anext(stream)
        assert (await after(stream, Cache.get_instance().clear))["name"] == "ann L"

    asyncio.run(run())


def test_values_come_back_as_what_they_were() -> None:
    value = {"price": Decimal("1.50"), "on": date(2024, 2, 29), "pair": (1, 2)}
    Anything.values = {"x": value}

    async def run() -> None:
        assert await anext(Anything.cached.watch(name="x")) == value

    asyncio.run(run())


def test_rows_and_lists_are_watched(authors: list[Author]) -> None:
    async def run() -> None:
        by_pk = Author.cached.watch(pk=authors[0].pk)
        by_slug = Author.cached.watch(slug="ann")
        by_last = Author.cached.watch(last="L")
        assert (await anext(by_pk)) == (await anext(by_slug)) == authors[0]
        assert await anext(by_last) == authors
        row = await after(by_pk, rename, authors[0], "eve")
        assert (type(row), row.first) == (Author, "eve")
        assert (await anext(by_slug)).first == "eve"
        assert [each.first for each in await anext(by_last)] == ["eve", "bob"]
        with pytest.raises(Author.DoesNotExist):
            await after(by_slug, lambda: (authors[0].delete(), drain()))
        with pytest.raises(UndeclaredLookup):
            await anext(Author.cached.watch(book_count=1))

    asyncio.run(run())


def test_a_command_prints_versions(authors: list[Author], wait_until: Any) -> None:
    out = io.StringIO()
    printing = Session(lambda: call_command("kck_watch", page(authors[0]), count=2, stdout=out))
    wait_until(out.getvalue)
    rename(authors[0], "eve")
    printing.result()
    versions = [int(line.split()[0]) for line in out.getvalue().splitlines()]
    assert versions[1] > versions[0]
    assert versions[1] == Cache.get_instance().entry(page(authors[0])).version
    with pytest.raises(CommandError, match="nobody"):
        call_command("kck_watch", "nobody/1")
