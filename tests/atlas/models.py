"""A chain of foreign keys, some of them NULL or to a code, many-to-many, and a child table."""

from __future__ import annotations

from typing import Any

from django.db import models

from kck_publish import CacheModel, cached_method


class Country(CacheModel):
    name = models.CharField(max_length=20)

    cached_lists = ()

    @cached_method(depends_on=["Sale.shop__city__country"])
    def takings(self) -> int:
        return sum(Sale.objects.filter(shop__city__country=self).values_list("amount", flat=True))


class City(models.Model):
    country = models.ForeignKey(Country, on_delete=models.CASCADE)
    name = models.CharField(max_length=20)


class Shop(models.Model):
    code = models.CharField(max_length=10, unique=True)
    city = models.ForeignKey(City, null=True, on_delete=models.CASCADE)
    staff = models.IntegerField(default=0)


class Market(Shop):
    """Half of its row is the shop's."""

    halls = models.IntegerField(default=1)


class Label(models.Model):
    name = models.CharField(max_length=20)


class Ware(models.Model):
    brand = models.CharField(max_length=20)
    active = models.BooleanField(default=True)
    price = models.IntegerField(default=1)
    labels: models.ManyToManyField[Any, Any] = models.ManyToManyField(Label)
    # Of rows that may be gone: no constraint.
    maker = models.ForeignKey(
        City, null=True, db_constraint=False, on_delete=models.DO_NOTHING, related_name="made"
    )


class Sale(models.Model):
    shop = models.ForeignKey(Shop, to_field="code", on_delete=models.CASCADE)
    ware = models.ForeignKey(Ware, on_delete=models.CASCADE)
    amount = models.IntegerField(default=1)
    remark = models.TextField(default="")
