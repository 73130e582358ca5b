"""django-cacheops: the ORM's own queries, cached in Redis by its patches of the ORM.

As its README advises: a ``CACHEOPS`` profile of ``ops: all`` for the models, the page by
``@cached_as`` of the models it reads. It patches the ORM, so it has a process of its own.
"""

from __future__ import annotations

import orjson

from benchmarks.models import Author, Book
from benchmarks.peers import (
    BYTES,
    CACHEOPS,
    DECODED,
    FOREVER,
    HUNDRED,
    MANY,
    ONE,
    PAGE,
    Contestants,
    some,
)
from benchmarks.primers import AuthorPage


def contestants() -> Contestants:
    """What is measured."""
    from cacheops import cached_as

    compute, pk = AuthorPage().compute, some()

    @cached_as(Author, Book, timeout=FOREVER)  # type: ignore[untyped-decorator, unused-ignore]
    def page(author: int) -> object:
        return compute(author=author)

    @cached_as(Author, Book, timeout=FOREVER)  # type: ignore[untyped-decorator, unused-ignore]
    def text(author: int) -> bytes:
        return orjson.dumps(compute(author=author))

    return {
        ONE: {CACHEOPS: lambda: Book.objects.get(pk=pk())},
        MANY: {CACHEOPS: lambda: Book.objects.in_bulk(HUNDRED)},
        BYTES: {CACHEOPS: lambda: text(PAGE)},
        DECODED: {CACHEOPS: lambda: page(PAGE)},
    }
