from __future__ import annotations

from typing import Any

from kck_publish import Change, Depends, IntegerParameter, Primer, Retry

from .models import Author, Book


class Page(Primer):
    key = "page"
    parameters = [IntegerParameter("author")]
    depends_on = [
        Depends(Author, author="pk", columns=["name"]),
        Depends(Book, author="author_id", columns=["title"]),
    ]

    def compute(self, author: int) -> dict[str, Any]:
        books = Book.objects.filter(author_id=author).order_by("title")
        return {
            "name": Author.objects.get(pk=author).name,
            "books": list(books.values_list("title", flat=True)),
        }


class Spending(Primer):
    key = "spending"
    parameters = [IntegerParameter("author")]
    depends_on = [Depends(Book, author="author_id", columns=["price"])]

    def compute(self, author: int) -> int:
        return sum(Book.objects.filter(author_id=author).values_list("price", flat=True))

    def augment(self, value: int, change: Change, author: int) -> int:
        if change.old and change.old["author_id"] == author:
            value -= change.old["price"]
        if change.new and change.new["author_id"] == author:
            value += change.new["price"]
        return value


class Broken(Primer):
    """Fails as soon as there is a book called "broken": the dump has its dead letter."""

    key = "broken"
    parameters = [IntegerParameter("author")]
    depends_on = [Depends(Book, author="author_id", columns=["title"])]
    retry = Retry(max_retries=0)

    def compute(self, author: int) -> int:
        if Book.objects.filter(author_id=author, title="broken").exists():
            raise ValueError("broken")
        return author
