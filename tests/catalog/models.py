"""The models of api.md, and what the tests of products need beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import models

from kck_publish import CacheModel, Primer


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


class Tag(models.Model):
    name = models.CharField(max_length=40)


class Box(models.Model):
    """What items are in: deleting it deletes them."""

    name = models.CharField(max_length=40)


class Item(CacheModel):
    """A row that every kind of write is tried on."""

    name = models.CharField(max_length=40, unique=True)
    group = models.IntegerField(default=0)
    amount = models.IntegerField(default=0)
    box = models.ForeignKey(Box, on_delete=models.CASCADE, null=True)
    tags: models.ManyToManyField[Any, Any] = models.ManyToManyField(Tag, through="ItemTag")

    cached_by: ClassVar[Sequence[str]] = ("name",)
    cached_lists: ClassVar[Sequence[str]] = ("group",)


class ItemTag(CacheModel):
    """A many-to-many table that is published itself."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE)

    cached_by = (("item", "tag"),)
    cached_lists = ("item",)


class Crate(Item):
    """Multi-table inheritance: half of the row is in the parent's table."""

    depth = models.IntegerField(default=0)

    cached_by = ()
    cached_lists = ()


class Seat(CacheModel):
    """A composite primary key."""

    pk = models.CompositePrimaryKey("row", "number")
    row = models.CharField(max_length=5)
    number = models.IntegerField()
    guest = models.CharField(max_length=40, default="")
    party = models.IntegerField(null=True)

    cached_by = ("guest",)
    cached_lists = ("party",)


class AuthorProxy(Author):
    """The same rows under another name."""

    class Meta:
        proxy = True


class Gadget(CacheModel):
    """Lookups by fields of several kinds."""

    flag = models.BooleanField(default=False)
    small = models.SmallIntegerField(default=0)
    ip = models.GenericIPAddressField(null=True)
    maker = models.ForeignKey(Author, to_field="slug", null=True, on_delete=models.CASCADE)

    cached_by = ("small", "ip")
    cached_lists = ("flag", "maker", "ip")


class Card(Primer, CacheModel):
    """A row that is a product of its own."""

    key = "card"
    text = models.TextField()

    def compute(self) -> str:
        return self.text.upper()


class Sample(models.Model):
    """Columns of every kind that is aggregated, each of which may be NULL."""

    group = models.IntegerField(null=True)
    kind = models.CharField(max_length=10, default="a")
    whole = models.BigIntegerField(null=True)
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    ratio = models.FloatField(null=True)
    lasts = models.DurationField(null=True)
    at = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    hour = models.TimeField(null=True)
    name = models.TextField(null=True)
    flag = models.BooleanField(null=True)
    code = models.UUIDField(null=True)
    maker = models.ForeignKey(Author, on_delete=models.SET_NULL, null=True)
    data = models.JSONField(null=True)
    unread = models.IntegerField(default=0)
