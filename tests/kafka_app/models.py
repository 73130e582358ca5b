"""Rows that go to topics and come from topics."""

from __future__ import annotations

from django.db import models


class Flight(models.Model):
    """Its changes are relayed."""

    number = models.CharField(max_length=10)
    delay = models.IntegerField(default=0)
    remark = models.TextField(default="")


class Price(models.Model):
    """Consumed from a topic."""

    sku = models.CharField(max_length=40, unique=True)
    amount = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    first_name = models.CharField(max_length=40, default="")
    day = models.DateField(null=True)
    version = models.BigIntegerField(default=0)


class Synced(models.Model):
    """Kept equal in two databases, changed in both."""

    id = models.BigIntegerField(primary_key=True)
    text = models.TextField(default="")
    version = models.BigIntegerField(default=0)
    side = models.TextField(default="")


class Seen(models.Model):
    """One message, as the consumer ``Witness`` has handled it; nothing in here is unique."""

    partition = models.IntegerField()
    offset = models.BigIntegerField()
    key = models.TextField()
    version = models.BigIntegerField()
    ident = models.TextField()


class Edited(models.Model):
    """Django sets its times itself."""

    text = models.TextField(default="")
    made_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(auto_now=True)


class Reading(models.Model):
    """What JSON cannot say of a row; found by columns of which one may be NULL."""

    place = models.TextField(null=True)
    sensor = models.TextField(default="")
    value = models.FloatField(default=0)
    count = models.DecimalField(max_digits=40, decimal_places=0, default=0)
    details = models.JSONField(default=dict)
    raw = models.BinaryField(default=b"")
    took = models.DurationField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("place", "sensor"), name="one_reading"),)
