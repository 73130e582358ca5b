"""The API's products. Only ``http`` has them: the others do not measure what they capture."""

from __future__ import annotations

from benchmarks.models import Book
from benchmarks.serializers import BookSerializer
from kck_publish import Depends, Primer
from kck_publish.contrib.rest_framework import SerializerPrimer


class BookPrimer(SerializerPrimer):
    """A book's representation."""

    key = "api.book"
    serializer_class = BookSerializer


class BookKeys(Primer):
    """Which books there are, in the order of the list."""

    key = "book_keys"
    depends_on = [Depends(Book, columns=["id"])]

    def compute(self) -> list[int]:
        """The primary keys."""
        return list(Book.objects.order_by("pk").values_list("pk", flat=True))
