"""The library's own tables as Django sees them: the change log, the store, cursors, failures.

The DDL is in the migrations; the protocols on these tables are in ``log``, ``stores`` and
``listener``. The models serve the admin, ``dbshell``-like curiosity, and a test's flush.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    AnyField = models.Field[Any, Any]
else:
    AnyField = models.Field


class NativeField(AnyField):
    """A column of a PostgreSQL type that Django has no field for, as psycopg gives it.

    Args:
        type: the SQL type, for instance ``pg_snapshot`` (text in Python) or ``text[]`` (a list).
    """

    def __init__(self, type: str, **options: Any) -> None:
        self.type = type
        super().__init__(**options)

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        return name, path, [self.type, *args], options

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return self.type


class OwnRows(models.QuerySet[models.Model]):
    """Rows that are in no dump: cursors and snapshots mean nothing in another database."""

    def iterator(self, chunk_size: int | None = None) -> Iterator[models.Model]:
        """None for the command that dumps, and for what a test's database is serialized by.

        Both ask for all rows of an alias by primary key, and have no other word for what is left
        out than settings and options of the project's.
        """
        if vars(self)["_db"] is not None and self.query.order_by == (self.model._meta.pk.name,):
            return iter(())
        return super().iterator(chunk_size)


class OwnTable(models.Model):
    """A table of the library's own."""

    objects = models.Manager.from_queryset(OwnRows)()

    class Meta:
        abstract = True
        app_label = "kck_publish"
        base_manager_name = "objects"
        default_permissions = ("view",)


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


class Copy(OwnTable):
    """A key whose entry near stores are to copy anew; or (``consumer``) a near store's own row."""

    id = models.BigAutoField(primary_key=True)
    xid = NativeField("xid8")
    key = models.TextField(null=True)  # noqa: DJ001 - NULL is "all of them"
    consumer = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return self.key or "*"


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


class Layout(OwnTable):
    """The catalog's state of the tables of a source, as it was last looked at."""

    source = models.TextField(primary_key=True)
    layout = NativeField("jsonb")

    def __str__(self) -> str:
        return self.source


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
