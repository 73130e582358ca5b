"""The API's product. Only ``http`` has it: the others do not measure what it captures."""

from __future__ import annotations

from benchmarks.serializers import BookSerializer
from kck_publish.contrib.rest_framework import SerializerPrimer


class BookPrimer(SerializerPrimer):
    """A book's representation."""

    key = "api.book"
    serializer_class = BookSerializer
