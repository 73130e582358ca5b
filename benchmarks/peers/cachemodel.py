"""django-cachemodel 2.2.0, an ancestor: ``.cached.get``, pickled instances in the default cache.

As its README says: models inherit CacheModel, a page is a ``@cached_method`` of a row. Nothing of
it is mended; keys made of positional arguments do not work under Python 3, and are not used here.
It has no read of many rows: 100 are 100 reads.
"""

from __future__ import annotations

import os
from typing import Any

from django.db.models import CharField

from benchmarks.models import Row
from benchmarks.peers import DECODED, HUNDRED, MANY, ONE, PAGE, Contestants, NotHereError, some
from benchmarks.primers import AuthorPage

try:
    import cachemodel as package
except ImportError as error:
    raise NotHereError(f"django-cachemodel cannot be imported: {error}") from error


class CachemodelBook(Row, package.CacheModel):  # type: ignore[misc]
    """The books, seen through it."""

    class Meta:
        app_label = "benchmarks"
        db_table = "benchmarks_book"
        managed = False

    def __str__(self) -> str:
        return self.slug


class CachemodelAuthor(package.CacheModel):  # type: ignore[misc]
    """The authors, seen through it."""

    name: Any = CharField(max_length=80)

    class Meta:
        app_label = "benchmarks"
        db_table = "benchmarks_author"
        managed = False

    def __str__(self) -> str:
        return str(self.name)

    @package.cached_method  # type: ignore[untyped-decorator, unused-ignore]
    def page(self) -> object:
        """The author's page."""
        return AuthorPage().compute(author=self.pk)


def contestants() -> Contestants:
    """What is measured."""
    name, pk = f"django-cachemodel, {os.environ['KCK_BENCH_KIND']}", some()
    for one in CachemodelBook.objects.in_bulk(HUNDRED).values():
        one.publish()
    author = CachemodelAuthor.objects.get(pk=PAGE)
    cached = CachemodelBook.cached
    return {
        ONE: {name: lambda: cached.get(pk=pk())},
        MANY: {name: lambda: [cached.get(pk=one) for one in HUNDRED]},
        DECODED: {name: author.page},
    }
