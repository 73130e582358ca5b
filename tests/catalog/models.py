"""The models of api.md, and what the tests of products need beside them."""

from __future__ import annotations

from typing import Any

from django.db import models

from kck_publish import CacheModel


class Publisher(CacheModel):
    name = models.CharField(max_length=80, unique=True)

    cached_by = ("name",)


class Author(CacheModel):
    slug = models.SlugField(unique=True)
    first = models.CharField(max_length=80)
    last = models.CharField(max_length=80)
    born = models.DateField(null=True)
    publishers: models.ManyToManyField[Any, Any] = models.ManyToManyField(Publisher)

    cached_by = ("slug", ("last", "first"))
    cached_lists = ("last",)


class Book(CacheModel):
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    title = models.TextField()
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    note = models.TextField(default="")

    def publish(self) -> None:
        super().publish()
        self.publish_by("title")


class Edition(models.Model):
    """A plain model: captured because products depend on it."""

    book = models.ForeignKey(Book, on_delete=models.CASCADE)
    copies = models.IntegerField(default=0)
    remark = models.TextField(default="")
