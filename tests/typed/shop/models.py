from __future__ import annotations

from django.db import models

from kck_publish import CachedTable, CacheModel, Primer, cached_method, denormalized_field


class Author(CacheModel):
    slug = models.SlugField(unique=True)
    count = models.IntegerField(default=0)

    cached_by = ["slug", ("slug", "count")]
    cached_lists = ["count"]

    @cached_method(depends_on=["Book.author"], auto_publish=True)
    def titles(self, limit: int = 10) -> list[str]:
        return ["The Dispossessed"][:limit]

    @cached_method
    async def motto(self, language: str) -> bytes:
        return language.encode()

    @denormalized_field("count")
    def count_books(self) -> int:
        return len(self.titles())


class Book(CacheModel):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")


class Country(CachedTable):
    code = models.CharField(max_length=2)


class Shelf(Primer, CacheModel):
    """A model with the mixin: ``cached`` is the reader of its rows."""

    key = "shelf"

    def compute(self) -> dict[str, int]:
        return {"books": 1}


class Special(Author):
    """Another table's model."""
