"""The tables of the store: entries, what they were computed from, and where else they are."""

from __future__ import annotations

from django.db import models

from .tables import NativeField, OwnTable


class Entry(OwnTable):
    """One stored value (``body`` NULL: the answer is that there is none)."""

    pk = models.CompositePrimaryKey("digest", "fingerprint")
    digest = models.UUIDField()
    fingerprint = models.TextField(db_collation="C")
    key = models.TextField()
    product = models.TextField(db_collation="C")
    bucket = models.IntegerField()
    body = models.BinaryField(null=True)
    shape = models.BinaryField(null=True)
    stamp = NativeField("pg_snapshot")
    by = models.TextField()
    version = models.BigIntegerField()
    primed_at = models.DateTimeField()
    soft_expire = models.DateTimeField(null=True)
    hard_expire = models.DateTimeField(null=True)
    behind = models.BooleanField(default=False)
    reason = models.TextField(default="")
    seconds = models.FloatField(default=0)
    over = models.TextField(null=True)  # noqa: DJ001 - NULL costs nothing to read

    def __str__(self) -> str:
        return self.key


class Edge(OwnTable):
    """A recorded dependency: the value of ``key`` was computed from ``read_key``."""

    pk = models.CompositePrimaryKey("digest", "fingerprint", "read")
    digest = models.UUIDField()
    fingerprint = models.TextField(db_collation="C")
    key = models.TextField()
    read = models.UUIDField()
    read_key = models.TextField()
    read_product = models.TextField(db_collation="C")

    def __str__(self) -> str:
        return f"{self.key} <- {self.read_key}"


class Copy(OwnTable):
    """A key whose entry near stores are to copy anew; or (``consumer``) a near store's own row."""

    id = models.BigAutoField(primary_key=True)
    xid = NativeField("xid8")
    key = models.TextField(null=True)  # noqa: DJ001 - NULL is "all of them"
    consumer = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return self.key or "*"


class Generation(OwnTable):
    """Under which names the values in a cache are, and in which cluster they began."""

    cache = models.TextField(primary_key=True)
    generation = models.TextField()
    cluster = models.TextField()

    def __str__(self) -> str:
        return self.cache


class Fetch(OwnTable):
    """The state that a key's remote source gave when the stored value was read from it."""

    digest = models.UUIDField(primary_key=True)
    key = models.TextField()
    product = models.TextField()
    value = models.BinaryField()
    state = NativeField("jsonb")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
