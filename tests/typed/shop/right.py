"""What is inferred, in each of the type checkers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, assert_type
from uuid import UUID

from .models import Author, Book, Country, Shelf, Special
from .primers import (
    AuthorCard,
    AuthorPage,
    Books,
    BookV1,
    BookV2,
    Card,
    Cheapest,
    FirstBook,
    HowMany,
    Later,
    MaybeNone,
    PlainSales,
    Rates,
    Revenue,
    Sales,
    Shape,
    Shown,
    Totals,
    Weather,
    top_authors,
    top_later,
)

# Rows.
assert_type(Author.cached.get(pk=1), Author)
assert_type(Author.cached.get(slug="le-guin"), Author)
assert_type(Author.cached.in_bulk([1, 2]), dict[int, Author])
assert_type(Author.cached.in_bulk(["a", "b"], field_name="slug"), dict[str, Author])
assert_type(Author.cached.in_bulk({(1, "a")}), dict[tuple[int, str], Author])
assert_type(Author.cached.in_bulk(UUID(int=each) for each in range(3)), dict[UUID, Author])
assert_type(Author.cached.in_bulk([Author()], "parent"), dict[object, Author])
assert_type(Author.cached.in_bulk([object()], "parent"), dict[object, Author])
assert_type(Author.cached.filter(count=1), list[Author])
assert_type(Author.cached.filter_many("count", [1]), dict[int, list[Author]])
assert_type(Author.cached.all(), list[Author])
assert_type(Author.cached.get_or_create(slug="x", defaults={"count": 1}), tuple[Author, bool])
assert_type(Special.cached.get(pk=1), Special)
assert_type(Country.cached.get(code="NZ"), Country)
assert_type(Country.cached.all(), list[Country])
assert_type(Shelf.cached.get(pk=1), Shelf)
assert_type(Shelf.cached.filter(pk=1), list[Shelf])

# Methods.
author = Author.cached.get(pk=1)
assert_type(author.titles(), list[str])
assert_type(author.titles(limit=3), list[str])
assert_type(Author.titles(author, 3), list[str])
assert_type(author.count_books(), int)
as_callable: Callable[[int], list[str]] = author.titles

# Products.
assert_type(AuthorPage.cached.get(author=1, day=date(2026, 1, 1)), Card)
assert_type(AuthorPage.cached.get_bytes(author=1, day=date(2026, 1, 1)), bytes)
assert_type(AuthorPage.cached.get_many([{"author": 1}]), list[Card | None])
assert_type(AuthorPage.cached.get_many([{"author": 1}], default=0), list[Card | int])
assert_type(Later.cached.get(author=1), tuple[UUID, ...])
assert_type(MaybeNone.cached.get(), int | None)
assert_type(top_authors.cached.get(limit=3), list[str])
assert_type(top_later.cached.get(limit=3), set[int])
assert_type(Sales.cached.get(author=1), Revenue)
assert_type(Sales.cached.get(author=1)["revenue"], Decimal)
assert_type(PlainSales.cached.get(), dict[str, Any])
assert_type(Shown.cached.get(), list[int])
assert_type(AuthorCard.cached.get(author=1), str)
assert_type(Rates.cached.get(currency="NZD"), dict[str, Decimal])
assert_type(Weather.cached.get(), float)
assert_type(BookV1.cached.get(id=1), dict[str, Any])
assert_type(BookV2.cached.get(id=1), Shape)
assert_type(HowMany.cached.get(author=1), int)
assert_type(Totals.cached.get(), dict[str, int])
first: Book | None = FirstBook.cached.get()
books: list[Book] = Books.cached.get(author=1)
cheapest: Book = Cheapest.cached.get(author=1)


async def in_a_loop() -> None:
    assert_type(await Author.cached.aget(pk=1), Author)
    assert_type(await Author.cached.ain_bulk([1]), dict[int, Author])
    assert_type(await Author.cached.afilter(count=1), list[Author])
    assert_type(await Author.cached.aall(), list[Author])
    assert_type(await Author.cached.aget_or_create(slug="x"), tuple[Author, bool])
    assert_type(await author.motto("mi"), bytes)
    assert_type(await AuthorPage.cached.aget(author=1, day=date(2026, 1, 1)), Card)
    assert_type(await AuthorPage.cached.aget_bytes(author=1, day=date(2026, 1, 1)), bytes)
    assert_type(await AuthorPage.cached.aget_many([{"author": 1}]), list[Card | None])
    assert_type(await Later.cached.aget(author=1), tuple[UUID, ...])
