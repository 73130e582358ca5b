"""The soak's world: teams, their accounts, what is posted to these, and marks that get truncated.

Writers see to it that slugs, cities and teams of accounts change all the time, and that rows move.
The ledger is no source: writers note in it, in the same transaction, what they change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from kck_publish import CacheModel, cached_method


class Team(CacheModel):
    name = models.CharField(max_length=40, unique=True)

    cached_by: ClassVar[Sequence[str]] = ("name",)

    @cached_method(depends_on=["Account.team"], auto_publish=True)
    def roster(self) -> list[int]:
        return list(Account.objects.filter(team=self).order_by("pk").values_list("pk", flat=True))


class Tag(models.Model):
    name = models.CharField(max_length=40)


class Account(CacheModel):
    team = models.ForeignKey(Team, on_delete=models.CASCADE)
    slug = models.CharField(max_length=40, unique=True)
    city = models.CharField(max_length=40)
    tags: models.ManyToManyField[Any, Any] = models.ManyToManyField(Tag)

    cached_by = ("slug", ("city", "slug"))
    cached_lists: ClassVar[Sequence[str]] = ("city",)


class Posting(models.Model):
    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    uid = models.BigIntegerField(unique=True)
    amount = models.IntegerField()
    note = models.TextField(default="")


class Mark(models.Model):
    weight = models.IntegerField()


class Probe(models.Model):
    """What the measurer of the lag counts up."""

    count = models.IntegerField()


class Ledger(models.Model):
    """What a committed transaction did to an account's postings, by the writer's own word."""

    token = models.TextField()
    kind = models.TextField()
    account = models.BigIntegerField()
    changes = models.IntegerField()
    count = models.IntegerField()
    total = models.BigIntegerField()
    at = models.DateTimeField(db_default=Now())
