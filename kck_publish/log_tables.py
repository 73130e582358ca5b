"""The tables of the log: what was changed, who follows it and how far, and what is due."""

from __future__ import annotations

from django.db import models

from .tables import NativeField, OwnTable


class Change(OwnTable):
    """One captured change of a source, one refreshed product, or one request to refresh."""

    seq = models.BigAutoField(primary_key=True)
    xid = NativeField("xid8")
    source = models.TextField()
    op = models.TextField()
    columns = NativeField("text[]", null=True)
    old = NativeField("text[]", null=True)
    new = NativeField("text[]", null=True)
    origin = models.TextField(null=True)  # noqa: DJ001 - NULL is "nobody said"
    at = models.DateTimeField()
    trace = models.TextField(null=True)  # noqa: DJ001 - NULL is "no trace"

    def __str__(self) -> str:
        return f"{self.seq} {self.op} {self.source}"


class Layout(OwnTable):
    """The catalog's state of the tables of a source, as it was last looked at."""

    source = models.TextField(primary_key=True)
    layout = NativeField("jsonb")

    def __str__(self) -> str:
        return self.source


class Shard(OwnTable):
    """The progress of one shard: ``claimed`` before it looks at the store, ``done`` after.

    ``floor`` is how far it had come before the cursor was set back.
    """

    shard = models.IntegerField(primary_key=True)
    shards = models.IntegerField()
    claimed = NativeField("pg_snapshot")
    done = NativeField("pg_snapshot")
    floor = NativeField("pg_snapshot")
    epoch = models.BigIntegerField(default=0)
    cluster = models.TextField()
    seen_at = models.DateTimeField()
    caught_up_at = models.DateTimeField(null=True)
    owed = NativeField("text[]", default=list)
    forgotten = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.shard}/{self.shards}"


class Backlog(OwnTable):
    """Changes that were too many for one batch, and how far they have been worked off."""

    id = models.BigAutoField(primary_key=True)
    shard = models.IntegerField()
    name = models.TextField()
    stored = models.BooleanField()
    since = NativeField("pg_snapshot")
    until = NativeField("pg_snapshot")
    at = models.DateTimeField()
    xid = models.BigIntegerField(default=0)
    seq = models.BigIntegerField(default=0)
    digest = models.UUIDField()

    def __str__(self) -> str:
        return f"{self.name} of shard {self.shard}"


class Consumer(OwnTable):
    """A follower of the log that is no shard: a near store, a relay. ``done`` is its cursor."""

    id = models.BigAutoField(primary_key=True)
    name = models.TextField()
    kind = models.TextField()
    done = NativeField("pg_snapshot")
    until = NativeField("pg_snapshot", null=True)
    seq = models.BigIntegerField(default=0)
    state = models.TextField(default="following")
    cluster = models.TextField(default="")
    registered_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta(OwnTable.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["name", "kind"], name="kck_publish_consumer_name_kind_key"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Listener(OwnTable):
    """A running listener; ``asleep`` is what the capture triggers ask before they ring."""

    id = models.BigAutoField(primary_key=True)
    name = models.TextField()
    asleep = models.BooleanField(default=False)
    backend = models.IntegerField()
    kind = models.TextField(default="listener")
    shards = NativeField("integer[]", default=list)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    busy_until = models.DateTimeField(null=True)
    seat_belt = models.BigIntegerField(default=0)
    audited = models.BigIntegerField(default=0)
    differing = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class Schedule(OwnTable):
    """The next refresh of a product with ``refresh_every``."""

    product = models.TextField(primary_key=True)
    every = models.TextField()
    due_at = models.DateTimeField()
    last_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.product


class Failure(OwnTable):
    """A key whose refresh failed: tried again when due, or, with no due time, a dead letter."""

    pk = models.CompositePrimaryKey("digest", "fingerprint")
    digest = models.UUIDField()
    fingerprint = models.TextField(db_collation="C")
    key = models.TextField()
    product = models.TextField()
    bucket = models.IntegerField()
    attempts = models.IntegerField(default=1)
    first_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    error = models.TextField()
    message = models.TextField()
    traceback = models.TextField()

    def __str__(self) -> str:
        return self.key
