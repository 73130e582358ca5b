"""What the API's tests serialize: rows with relations of every kind around them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import models

from kck_publish import CacheModel


class Publisher(models.Model):
    name = models.CharField(max_length=40)
    country = models.CharField(max_length=2, default="nl")

    class Meta:
        app_label = "rest_app"
        db_table = "rest_publisher"


class Writer(CacheModel):
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=40)
    publisher = models.ForeignKey(Publisher, null=True, on_delete=models.SET_NULL)
    note = models.TextField(default="")

    cached_by = ("slug",)


class Tag(models.Model):
    name = models.CharField(max_length=20)
    weight = models.IntegerField(default=0)

    class Meta:
        ordering = ("weight", "pk")


class Novel(CacheModel):
    writer = models.ForeignKey(Writer, on_delete=models.CASCADE, related_name="novels")
    title = models.CharField(max_length=60)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    genre = models.CharField(max_length=1, choices=[("s", "Science"), ("c", "Crime")], default="s")
    released = models.DateField(null=True)
    changed = models.DateTimeField(null=True)
    visible = models.BooleanField(default=True)
    score = models.FloatField(default=0.5)
    internal = models.TextField(default="")
    length = models.DurationField(default=timedelta(0))
    tags: models.ManyToManyField[Any, Any] = models.ManyToManyField(Tag, related_name="novels")

    class Meta:
        ordering = ("pk",)

    @property
    def label(self) -> str:
        return f"{self.title} by {self.writer.name}"

    def __str__(self) -> str:
        return self.title


class Loud(Novel):
    """The same rows, with a property of its own."""

    class Meta:
        proxy = True

    @property
    def label(self) -> str:
        return super().label.upper()


class Copy(models.Model):
    novel = models.ForeignKey(Novel, on_delete=models.CASCADE, related_name="copies")
    shelf = models.CharField(max_length=10)
    owner = models.IntegerField(default=0)

    class Meta:
        ordering = ("shelf", "pk")


class Summary(models.Model):
    """The other side of a one-to-one."""

    novel = models.OneToOneField(Novel, on_delete=models.CASCADE, related_name="summary")
    text = models.TextField()


class Given(models.Manager[Any]):
    """Which related rows are listed is decided by a column that no field shows."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(given=True)


class Prize(models.Model):
    novel = models.ForeignKey(Novel, on_delete=models.CASCADE, related_name="prizes")
    name = models.CharField(max_length=20)
    given = models.BooleanField(default=False)

    objects = Given()
    every = models.Manager["Prize"]()

    class Meta:
        ordering = (models.F("name").desc(), "-pk")


class OfNamedWriters(models.Manager[Any]):
    """Which related rows are listed is decided by another table."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().exclude(writer__name="")


class Blurb(models.Model):
    novel = models.ForeignKey(Novel, on_delete=models.CASCADE, related_name="blurbs")
    writer = models.ForeignKey(Writer, on_delete=models.CASCADE, related_name="+")
    text = models.TextField()

    objects = OfNamedWriters()

    class Meta:
        ordering = ("pk",)


class Comic(Novel):
    """Half of the row is in the parent's table."""

    drawings = models.IntegerField(default=0)


class Shop(models.Model):
    code = models.CharField(max_length=10, unique=True)
    city = models.CharField(max_length=20, default="")


class Offer(models.Model):
    """Points to no primary key."""

    shop = models.ForeignKey(
        Shop,
        to_field="code",
        db_constraint=False,
        on_delete=models.DO_NOTHING,
        related_name="offers",
    )
    novel = models.ForeignKey(Novel, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("novel__title", "pk")


class Festival(models.Model):
    name = models.CharField(max_length=20)
    guests: models.ManyToManyField[Any, Any] = models.ManyToManyField(
        Writer, related_name="festivals"
    )

    def __len__(self) -> int:
        return 0  # so that a row of it is false
