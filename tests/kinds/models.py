"""Every kind of field and of model, each once."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres import fields as postgres
from django.db import models
from django.db.models.functions import Upper

from kck_publish import CacheModel
from tests.kinds.fields import LoudField, MoneyField, TemperField


class Measure(float):
    """A number that is no plain float any more, and that json writes nevertheless."""


class Exact(json.JSONDecoder):
    """Reads numbers as Measure."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "parse_float": Measure})


class Everything(CacheModel):
    """Each of Django's fields, and of PostgreSQL's that need no extension."""

    small = models.SmallIntegerField(null=True)
    integer = models.IntegerField(null=True)
    big = models.BigIntegerField(null=True)
    positive_small = models.PositiveSmallIntegerField(null=True)
    positive = models.PositiveIntegerField(null=True)
    positive_big = models.PositiveBigIntegerField(null=True)
    flag = models.BooleanField(null=True)
    char = models.CharField(max_length=200, null=True)
    text = models.TextField(null=True)
    slug = models.SlugField(null=True)
    email = models.EmailField(null=True)
    url = models.URLField(null=True)
    file_path = models.FilePathField(null=True)
    file = models.FileField(null=True)
    ip = models.GenericIPAddressField(null=True)
    unpacked_ip = models.GenericIPAddressField(unpack_ipv4=True, null=True)
    uuid = models.UUIDField(null=True)
    number = models.FloatField(null=True)
    price = models.DecimalField(max_digits=20, decimal_places=5, null=True)
    date = models.DateField(null=True)
    time = models.TimeField(null=True)
    moment = models.DateTimeField(null=True)
    duration = models.DurationField(null=True)
    raw = models.BinaryField(null=True)
    data = models.JSONField(null=True)
    exact = models.JSONField(null=True, decoder=Exact)
    made = models.GeneratedField(
        expression=Upper("char"), output_field=models.TextField(), db_persist=True
    )
    words = postgres.ArrayField(models.CharField(max_length=200), null=True)
    matrix = postgres.ArrayField(postgres.ArrayField(models.IntegerField(null=True)), null=True)
    moments = postgres.ArrayField(models.DateTimeField(null=True), null=True)
    numbers = postgres.ArrayField(models.FloatField(), null=True)
    integers_range = postgres.IntegerRangeField(null=True)
    big_range = postgres.BigIntegerRangeField(null=True)
    decimal_range = postgres.DecimalRangeField(null=True)
    moment_range = postgres.DateTimeRangeField(null=True)
    date_range = postgres.DateRangeField(null=True)
    ranges = postgres.ArrayField(postgres.DateRangeField(), null=True)
    money = MoneyField(null=True)
    temper = TemperField(max_length=10, null=True)
    loud = LoudField(null=True)
    moneys = postgres.ArrayField(MoneyField(), null=True)


class Picture(CacheModel):
    """Its dimensions are read from the file when an instance is made: a receiver of post_init."""

    image = models.ImageField(null=True, width_field="width", height_field="height")
    width = models.IntegerField(null=True)
    height = models.IntegerField(null=True)


class Builds(CacheModel):
    """Wants to see that it is read."""

    name = models.TextField()

    @classmethod
    def from_db(cls, *args: Any, **options: Any) -> Any:
        row = super().from_db(*args, **options)
        row.loaded = row.name  # type: ignore[attr-defined]
        return row


class Starts(CacheModel):
    """Wants to see that it is made."""

    name = models.TextField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.before = self.name


class Stamped(CacheModel):
    """The first of an abstract chain."""

    made_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class Labelled(Stamped):
    """The second, with a Meta of its own."""

    label = models.TextField()

    cached_by: ClassVar[Any] = ("label",)

    class Meta:
        abstract = True
        ordering = ("label",)


class Parcel(Labelled):
    """What the chain ends in."""

    weight = models.IntegerField(default=0)


class Worded(CacheModel):
    """A primary key that is no integer."""

    code = models.CharField(max_length=80, primary_key=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    friends: models.ManyToManyField[Any, Any] = models.ManyToManyField("self")


class Unique(CacheModel):
    """A primary key that is a UUID."""

    id = models.UUIDField(primary_key=True)
    partner = models.OneToOneField("self", models.SET_NULL, null=True)


class Cell(CacheModel):
    """A primary key of two fields, one of them a foreign key."""

    pk = models.CompositePrimaryKey("sheet_id", "place")
    sheet = models.ForeignKey(Worded, models.CASCADE)
    place = models.UUIDField()
    text = models.TextField(default="")


class Passport(CacheModel):
    """A primary key that is another's."""

    of = models.OneToOneField(Unique, models.CASCADE, primary_key=True)
    number = models.TextField()


class OddNames(CacheModel):
    """Names that must be quoted."""

    key = models.AutoField(primary_key=True, db_column="The 'Key'")
    order = models.IntegerField(default=0, db_column="Order")
    text = models.TextField(default="", db_column="Té xt")

    cached_by: ClassVar[Any] = ("order",)

    class Meta:
        db_table = "Mixed 'Case Table"


class Elsewhere(CacheModel):
    """In another schema; the test makes the table, which is not there for ``kck_prime --all``."""

    eager = False
    name = models.TextField()

    cached_by: ClassVar[Any] = ("name",)

    class Meta:
        managed = False
        db_table = 'other schema"."Thing'


class Vehicle(CacheModel):
    """The parent's table."""

    name = models.TextField()

    cached_by: ClassVar[Any] = ("name",)


class Car(Vehicle):
    """The child's."""

    doors = models.IntegerField(default=4)


class Taxi(Car):
    """And the grandchild's."""

    licence = models.TextField(default="")


class OldTaxi(Taxi):
    """A proxy of it."""

    class Meta:
        proxy = True


class Note(CacheModel):
    """Points to any row."""

    # No constraint: the table is made before those of applications with migrations.
    content_type = models.ForeignKey(ContentType, models.CASCADE, db_constraint=False)
    object_id = models.PositiveIntegerField()
    of = GenericForeignKey()


class LiveRows(models.QuerySet[Any]):
    """A queryset of the project's own."""

    def live(self) -> LiveRows:
        return self.filter(dead=False)


class LiveManager(models.Manager.from_queryset(LiveRows)):  # type: ignore[misc]
    """Hides rows."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(dead=False)


class Mortal(CacheModel):
    """With managers of its own: the first, ``objects``, hides rows."""

    name = models.TextField()
    dead = models.BooleanField(default=False)

    objects = LiveManager()
    everyone = models.Manager()


class Person(AbstractBaseUser, CacheModel):
    """What takes the place of auth.User, where settings say so."""

    email = models.EmailField(unique=True)

    cached_by: ClassVar[Any] = ("email",)
    objects = BaseUserManager()
    USERNAME_FIELD = "email"


class Member(CacheModel):
    """Swapped out: the settings name another in its place."""

    name = models.TextField()

    class Meta:
        swappable = "KINDS_MEMBER_MODEL"


class Badge(CacheModel):
    """Points to whatever has taken Member's place."""

    member = models.ForeignKey(settings.KINDS_MEMBER_MODEL, models.CASCADE)

    cached_lists: ClassVar[Any] = ("member",)
