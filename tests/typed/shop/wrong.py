"""What is an error, in each of the type checkers: the marked lines, and only those.

Without stubs a model may be anything for mypy, so that it sees less.
"""

from __future__ import annotations

from datetime import date

from .models import Author, Book, Country, Shelf
from .primers import (
    AuthorCard,
    AuthorPage,
    Books,
    Cheapest,
    HowMany,
    Later,
    Rates,
    Sales,
    Totals,
    top_authors,
    top_later,
)

author = Author.cached.get(pk=1)
today = date(2026, 1, 1)

author.cached  # error, with stubs
AuthorPage.cached.get(autor=1, day=today)  # error
AuthorPage.cached.get(author="1", day=today)  # error
AuthorPage.cached.get(author=1)  # error
AuthorPage.cached.get(author=1, day=today)["nam"]  # error
AuthorPage.cached.get_bytes(author=1, day="today")  # error
AuthorPage.cached.get_many({"author": 1})  # error
Later.cached.get(author=1).append(2)  # error
top_authors.cached.get(limit="3")  # error
top_later.cached.get(limits=3)  # error
Sales.cached.get(author=1)["revenu"]  # error
AuthorCard.cached.get(author="1")  # error
Rates.cached.get(currency=1)  # error
HowMany.cached.get(author=1).append(1)  # error
Books.cached.get(author="1")  # error
Books.cached.get(author=1).pk  # error, with stubs
Totals.cached.get(author=1)  # error
one_book: Book = Books.cached.get(author=1)  # error, with stubs
many_books: list[Book] = Cheapest.cached.get(author=1)  # error, with stubs
author.titles("3")  # error
author.titles(limits=3)  # error
author.motto()  # error
author.titles().add("x")  # error
page: str = AuthorPage.cached.get(author=1, day=today)  # error
rows: list[Country] = Author.cached.all()  # error, with stubs
by_slug: dict[int, Author] = Author.cached.in_bulk(["a"], "slug")  # error
shelf: Author = Shelf.cached.get(pk=1)  # error, with stubs


async def in_a_loop() -> None:
    await AuthorPage.cached.aget(author=1)  # error
    later: int = await Later.cached.aget(author=1)  # error
    print(later)
