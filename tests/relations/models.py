"""Models that point to each other in every way, and small tables that are kept whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

from kck_publish import CacheModel


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
