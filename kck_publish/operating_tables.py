"""The tables of an operator's: what was done, what is paused. As ``tables``, of migration 0004.

And the names under which the admin lists pages: models without a table or rows of their own, since
the admin knows no model of a composite primary key.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from .tables import OwnTable


class History(OwnTable):
    """What the listeners have done for a product in a minute: see ``refresh.batch_counts``.

    Product ``""`` is of their batches as such: ``changes``, ``batches``, their seconds, their lag.
    """

    pk = models.CompositePrimaryKey("product", "minute")
    product = models.TextField(db_collation="C")
    minute = models.DateTimeField()
    refreshed = models.BigIntegerField(default=0)
    augmented = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    removed = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    seconds_max = models.FloatField(default=0)
    bytes = models.BigIntegerField(default=0)
    lagged = models.BigIntegerField(default=0)
    waiting = models.FloatField(default=0)
    waiting_max = models.FloatField(default=0)
    computing = models.FloatField(default=0)
    computing_max = models.FloatField(default=0)
    changes = models.BigIntegerField(default=0)
    batches = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.product or 'batches'} {self.minute}"


class Pause(OwnTable):
    """A product of which nothing is computed until it is resumed; with what operators may."""

    product = models.TextField(primary_key=True, db_collation="C")
    since = models.DateTimeField()
    by = models.TextField(default="")

    class Meta(OwnTable.Meta):
        permissions = [
            ("operate", "Can retry, discard, refresh, verify, pause and resume"),
            ("view_value", "Can view stored values"),
        ]

    def __str__(self) -> str:
        return self.product


class Postponed(OwnTable):
    """What is to be done when a product is resumed (``op`` as in the log)."""

    pk = models.CompositePrimaryKey("product", "op", "key")
    product = models.TextField(db_collation="C")
    op = models.TextField()
    key = models.TextField(default="")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key or self.product


class AdminPage(OwnTable):
    """A page of the admin. Nobody reads or writes rows by it."""

    class Meta(OwnTable.Meta):
        abstract = True
        managed = False
        default_permissions: ClassVar[Any] = ()

    def __str__(self) -> str:
        return str(self.pk)


class Product(AdminPage):
    """The page of the products."""

    product = models.TextField(primary_key=True, db_collation="C")

    class Meta(AdminPage.Meta):
        db_table = "kck_publish_pause"


class StoredKey(AdminPage):
    """The page of the stored entries."""

    key = models.TextField(primary_key=True)

    class Meta(AdminPage.Meta):
        db_table = "kck_publish_entry"
        verbose_name = "stored entry"
        verbose_name_plural = "stored entries"


class FailedKey(AdminPage):
    """The page of the keys whose refresh failed."""

    key = models.TextField(primary_key=True)

    class Meta(AdminPage.Meta):
        db_table = "kck_publish_failure"
        verbose_name = "failure"
        verbose_name_plural = "failures and dead letters"
