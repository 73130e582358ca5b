"""Products of every kind: recomputed, augmented, depending on products, failing on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Sum

from kck_publish import Change, Depends, IntegerParameter, Primer, primer
from tests.catalog.models import Author, Book, Edition

# What a test wants a compute to do besides: called with the product's name and parameters.
interfere: list[Any] = []
computed: list[tuple[str, Mapping[str, Any]]] = []


def note(product: str, **parameters: Any) -> None:
    computed.append((product, parameters))
    for call in interfere:
        call(product, parameters)


class AuthorPage(Primer):
    key = "author_page"
    parameters = (IntegerParameter("author"),)
    depends_on = (
        Depends(Author, author="pk"),
        Depends(Book, author="author_id", columns=["title", "price"]),
    )

    def compute(self, author: int) -> Any:
        note("author_page", author=author)
        row = Author.objects.get(pk=author)
        books = Book.objects.filter(author=author).order_by("pk")
        return {"name": f"{row.first} {row.last}", "books": [[b.title, b.price] for b in books]}


class Stock(Primer):
    """Copies of each book: augmented."""

    key = "stock"
    parameters = (IntegerParameter("book"),)
    depends_on = (Depends(Edition, book="book_id", columns=["copies"]),)

    def compute(self, book: int) -> int:
        note("stock", book=book)
        found = Edition.objects.filter(book_id=book).aggregate(total=Sum("copies"))
        return found["total"] or 0

    def augment(self, value: int, change: Change, book: int) -> int:
        note("stock+", book=book)
        if change.old is not None and change.old["book_id"] == book:
            value -= change.old["copies"]
        if change.new is not None and change.new["book_id"] == book:
            value += change.new["copies"]
        return value


class Shelf(Primer):
    """The stock of an author's books: depends on products."""

    key = "shelf"
    parameters = (IntegerParameter("author"),)
    depends_on = (
        Depends(Book, author="author_id", columns=[]),
        Depends("stock", keys=lambda change: _authors(change)),
    )

    def compute(self, author: int) -> dict[str, int]:
        note("shelf", author=author)
        books = Book.objects.filter(author_id=author).order_by("pk")
        return {book.title: Stock.cached.get(book=book.pk) for book in books}


def _authors(change: Change) -> Iterable[Mapping[str, Any]]:
    parameters = change.new or change.old or {}
    return [
        {"author": author}
        for author in Book.objects.filter(pk=parameters["book"]).values_list("author_id", flat=True)
    ]


@primer("titles", depends_on=[Book], eager=True)
def titles() -> list[str]:
    note("titles")
    return list(Book.objects.order_by("title").values_list("title", flat=True))
