"""Sources for the capture's tests. Made by syncdb: the app has no migrations."""

from __future__ import annotations

from django.db import models

from kck_publish.tables import NativeField


class Author(models.Model):
    name = models.CharField(max_length=50, unique=True)
    rating = models.IntegerField(default=0)


class Tag(models.Model):
    name = models.CharField(max_length=50)


class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    title = models.CharField(max_length=50)
    pages = models.IntegerField(default=0)
    tags = models.ManyToManyField(Tag)


class Place(models.Model):
    name = models.CharField(max_length=50)


class Restaurant(Place):
    stars = models.IntegerField(default=0)


class Seat(models.Model):
    pk = models.CompositePrimaryKey("row", "number")
    row = models.CharField(max_length=5)
    number = models.IntegerField()
    guest = models.CharField(max_length=50, default="")


class Shape(models.Model):
    """Types that have no equality operator, and text that depends on the session's settings."""

    spot = NativeField("point", null=True)
    data = NativeField("json", null=True)
    when = models.DateTimeField(null=True)
    how_long = models.DurationField(null=True)
    ratio = models.FloatField(null=True)
    raw = models.BinaryField(null=True)
    price = NativeField("numeric", null=True)


class Odd(models.Model):
    title = models.CharField(max_length=50, db_column="Odd 'Title")
    order = models.IntegerField(default=0)
    n = models.IntegerField(default=0)
    o = models.IntegerField(default=0)

    class Meta:
        db_table = "Odd 'Table"


class Elsewhere(models.Model):
    """In another schema; the test makes the table."""

    name = models.TextField()

    class Meta:
        managed = False
        db_table = 'elsewhere"."thing'


class Reading(models.Model):
    """Partitioned; the test makes the table."""

    pk = models.CompositePrimaryKey("day", "id")
    day = models.IntegerField()
    id = models.IntegerField()
    value = models.IntegerField()

    class Meta:
        managed = False
        db_table = "capture_app_reading"
