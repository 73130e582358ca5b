"""The state after the last migration."""

from __future__ import annotations

from django.db import models


class Parcel(models.Model):
    label = models.CharField(max_length=50)
    weight = models.IntegerField(default=0)
