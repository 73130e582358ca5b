"""The stream of writes of ``needless``: the same for all, by the ORM, and one of ten by raw SQL."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import F

from benchmarks.models import Author, Book, Review

# Of these authors anything is written; a quarter of them are read.
WRITTEN = 40
BOOKS = 2_000


class Writes:
    """Writes at random.

    Args:
        seed: the same one gives the same stream.
    """

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._number = BOOKS

    def next(self) -> Callable[[], object]:
        """The next write."""
        dice = self._dice
        kinds: Sequence[tuple[int, Callable[[], Callable[[], object]]]] = (
            (3, self._saved),
            (3, lambda: self._updated(price=F("price") + 1)),
            (2, lambda: self._updated(pages=dice.randrange(700))),
            (2, lambda: self._updated(updated=F("updated") + timedelta(days=1))),
            (2, lambda: self._updated(title=f"Title {dice.randrange(1000)}")),
            (3, self._reviewed),
            (2, self._unreviewed),
            (1, self._created),
            (1, self._deleted),
            (1, self._renamed),
            (2, self._raw),
        )
        (make,) = dice.choices([make for _, make in kinds], [weight for weight, _ in kinds])
        return make()

    def _books(self) -> Any:
        """Those of one author, and of these one by its place."""
        author = self._dice.randrange(WRITTEN) + 1
        return Book.objects.filter(author=author).order_by("pk")

    def _one(self) -> Any:
        books = list(self._books().values_list("pk", flat=True))
        return self._dice.choice(books)

    def _saved(self) -> Callable[[], object]:
        book = Book.objects.get(pk=self._one())
        book.pages = self._dice.randrange(700)
        return lambda: book.save()

    def _updated(self, **values: Any) -> Callable[[], object]:
        pk = self._one()
        return lambda: Book.objects.filter(pk=pk).update(**values)

    def _reviewed(self) -> Callable[[], object]:
        book, stars = self._one(), self._dice.randrange(5) + 1
        return lambda: Review.objects.create(book_id=book, stars=stars, text="So it is.")

    def _unreviewed(self) -> Callable[[], object]:
        reviews = Review.objects.filter(book__author__lte=WRITTEN).order_by("pk")
        pk = self._dice.choice(list(reviews.values_list("pk", flat=True)))
        return lambda: Review.objects.filter(pk=pk).delete()

    def _created(self) -> Callable[[], object]:
        book = Book.objects.get(pk=self._one())
        self._number += 1
        book.pk, book.slug = None, f"new-{self._number}"
        book._state.adding = True
        return lambda: book.save()

    def _deleted(self) -> Callable[[], object]:
        pk = self._one()
        return lambda: Book.objects.filter(pk=pk).delete()

    def _renamed(self) -> Callable[[], object]:
        pk, name = self._dice.randrange(WRITTEN) + 1, f"Name {self._dice.randrange(1000)}"
        return lambda: Author.objects.filter(pk=pk).update(name=name)

    def _raw(self) -> Callable[[], object]:
        pk = self._one()

        def write() -> None:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE benchmarks_book SET price = price + 2 WHERE id = %s", [pk])

        return write
