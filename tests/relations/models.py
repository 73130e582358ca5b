"""Models that point to each other in every way, and small tables that are kept whole."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

from kck_publish import ALL, CachedTable, CacheModel, Depends, cached_method


class House(CacheModel):
    name = models.CharField(max_length=40, unique=True)

    cached_by = ("name",)


class Agent(models.Model):
    """A plain model: not cached."""

    name = models.CharField(max_length=40)


class Writer(CacheModel):
    name = models.CharField(max_length=40)
    house = models.ForeignKey(House, null=True, on_delete=models.SET_NULL)
    agent = models.ForeignKey(Agent, null=True, on_delete=models.SET_NULL)


class Passport(CacheModel):
    writer = models.OneToOneField(Writer, on_delete=models.CASCADE)


class Novel(CacheModel):
    """Points to everything."""

    title = models.CharField(max_length=40)
    shelf = models.IntegerField(default=0)
    writer = models.ForeignKey(Writer, null=True, on_delete=models.CASCADE, related_name="novels")
    passport = models.OneToOneField(Passport, null=True, on_delete=models.SET_NULL)
    sequel_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL)
    imprint = models.ForeignKey(
        House, to_field="name", null=True, on_delete=models.SET_NULL, related_name="imprinted"
    )
    ghost = models.ForeignKey(
        Writer, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    # Without a constraint: apps without migrations have their tables before those that have some.
    about_type = models.ForeignKey(
        ContentType, null=True, on_delete=models.CASCADE, db_constraint=False
    )
    about_id = models.IntegerField(null=True)
    about = GenericForeignKey("about_type", "about_id")

    cached_lists: ClassVar[Sequence[str]] = ("shelf",)


class Saga(Novel):
    """Multi-table inheritance."""

    volumes = models.IntegerField(default=3)

    cached_lists = ("volumes",)


class Paperback(Novel):
    """A proxy."""

    class Meta:
        proxy = True


class Country(CachedTable):
    """A small table."""

    code = models.CharField(max_length=2, unique=True)
    name = models.CharField(max_length=40)
    continent = models.CharField(max_length=2, db_index=True, null=True)
    area = models.DecimalField(max_digits=12, decimal_places=3, default=Decimal(0))
    since = models.DateTimeField(null=True)
    seat = models.ForeignKey("City", null=True, on_delete=models.SET_NULL, related_name="+")

    @cached_method(depends_on=["City.country"])
    def cities(self) -> list[str]:
        return list(self.city_set.order_by("name").values_list("name", flat=True))


class City(CacheModel):
    """Stored with its country, and with the country's seat."""

    name = models.CharField(max_length=40)
    country = models.ForeignKey(Country, null=True, on_delete=models.CASCADE)


class Chapter(CacheModel):
    """Stored with its novel, that one's writer, and the writer's house."""

    number = models.IntegerField()
    title = models.CharField(max_length=40, default="")
    novel = models.ForeignKey(Novel, on_delete=models.CASCADE)
    editor = models.ForeignKey(Writer, null=True, on_delete=models.SET_NULL)
    before = models.OneToOneField("self", null=True, on_delete=models.SET_NULL)

    cached_by = (("novel", "number"),)
    cached_lists = ("novel",)
    cached_related = ("novel__writer__house", "editor", "before")

    def publish(self) -> None:
        super().publish()
        self.publish_by("title")


class Currency(CachedTable):
    """A small table whose rows have their country with them."""

    code = models.CharField(max_length=3, unique=True)
    country = models.ForeignKey(Country, null=True, on_delete=models.CASCADE)

    cached_related = ("country",)


class Publisher(CacheModel):
    """Named as a model of another app."""

    name = models.CharField(max_length=80, unique=True)

    cached_by = ("name",)


class Poet(CacheModel):
    """What the tests of django-cachemodel's faults are tried on."""

    slug = models.SlugField(unique=True)
    first = models.CharField(max_length=40, default="")
    last = models.CharField(max_length=40, default="")

    cached_by = ("slug", ("last", "first"))

    computed: ClassVar[list[str]] = []

    @cached_method(depends_on=["Poem.poet"], auto_publish=True)
    def num_poems(self) -> int:
        self.computed.append("num_poems")
        return self.poems.count()

    @cached_method(depends_on=["Poem.poet"])
    def longest(self, at_most: int = 100) -> str | None:
        self.computed.append("longest")
        poems = self.poems.filter(lines__lte=at_most).order_by("-lines")
        return poems.values_list("title", flat=True).first()

    @property
    def dangerous(self) -> int:
        raise RuntimeError("looked at")


class Poem(CacheModel):
    poet = models.ForeignKey(Poet, on_delete=models.CASCADE, related_name="poems")
    title = models.CharField(max_length=40)
    lines = models.IntegerField(default=14)

    broken: ClassVar[bool] = False

    @cached_method(
        depends_on=[Poet, Depends("relations.poet.num_poems", keys=ALL)], auto_publish=True
    )
    def by(self) -> str:
        if self.broken:
            raise TypeError("a bug")
        return f"{self.title}, by {self.poet.last}, who wrote {self.poet.num_poems()}"


class Review(CacheModel):
    """Stored with its novel, and published by what it declares alone."""

    novel = models.ForeignKey(Novel, on_delete=models.CASCADE)

    cached_related = ("novel",)
