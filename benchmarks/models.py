"""The tables that are measured. About eight columns each, as business tables have."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from kck_publish import CacheModel


class Author(models.Model):
    """Whose page is read."""

    name = models.CharField(max_length=80)

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    def __str__(self) -> str:
        return self.name


class Row(models.Model):
    """What the tables below have in common."""

    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="+")
    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=120)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    published = models.DateField()
    pages = models.IntegerField()
    updated = models.DateTimeField()

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.slug


class Book(Row, CacheModel):
    """Published by pk and by one lookup."""

    cached_by = ("slug",)


class Review(models.Model):
    """What an API nests in a book."""

    book = models.ForeignKey(Book, on_delete=models.CASCADE, related_name="reviews")
    stars = models.IntegerField()
    text = models.CharField(max_length=200)

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.stars}: {self.text}"


class Leaflet(Row, CacheModel):
    """Published by pk alone."""


class Bare(Row):
    """Nothing depends on it: no trigger."""


class BareToo(Row):
    """The same again: what differs between the two is noise."""


class Captured(Row):
    """Products depend on two of its columns (see ``primers``)."""


class Watched(Row):
    """Products depend on the whole row."""


class Counter(models.Model):
    """What the concurrent writers update; products depend on it, and none is stored."""

    group = models.IntegerField()
    count = models.IntegerField(default=0)
    filler = models.CharField(max_length=100, default="")

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.group}: {self.count}"


class Ticker(CacheModel):
    """The same, published by pk: the listener has something to write for each change."""

    group = models.IntegerField()
    count = models.IntegerField(default=0)
    filler = models.CharField(max_length=100, default="")

    def __str__(self) -> str:
        return f"{self.group}: {self.count}"


class Airline(models.Model):
    """Who flies, for products that read it along a foreign key."""

    code = models.CharField(max_length=2, unique=True)
    low_cost = models.BooleanField()

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    def __str__(self) -> str:
        return self.code


class Flights(models.Model):
    """Real flights, for products over a whole table."""

    airline = models.ForeignKey(Airline, null=True, on_delete=models.CASCADE, related_name="+")
    carrier = models.CharField(max_length=2)
    tail = models.CharField(max_length=8)
    origin = models.CharField(max_length=4)
    day = models.DateField()
    hour = models.IntegerField()
    dep_delay = models.IntegerField(null=True)
    arr_delay = models.IntegerField(null=True)
    distance = models.IntegerField()

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.carrier} {self.tail} on {self.day}"


class Flights3000(Flights):
    """The first of them."""


class Flights30000(Flights):
    """More."""


class Flights300000(Flights):
    """Nearly all of them."""


class Tick(models.Model):
    """When it was written last, in nanoseconds of the machine's monotonic clock; see ``live``."""

    at = models.BigIntegerField(default=0)

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.pk}: {self.at}"
