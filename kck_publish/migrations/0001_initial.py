"""The change log, the store, the shards' cursors, the listeners and the failures.

The database's side is SQL, in ``kck_publish/sql/0001``, because Django has no fields for ``xid8``
and ``pg_snapshot``; the models exist in the state so that a test's flush empties the tables and
``migrate`` can undo them.
"""

from __future__ import annotations

from django.db import migrations, models

from kck_publish.migrations._operations import PostgresSQL, read_sql
from kck_publish.tables import NativeField

PARTS = (
    "snapshots",
    "change_log",
    "entries",
    "edges",
    "followers",
    "schedule",
    "doorbell",
    "journal",
    "layout",
)

STATE = [
    migrations.CreateModel(
        name="Backlog",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("shard", models.IntegerField()),
            ("name", models.TextField()),
            ("stored", models.BooleanField()),
            ("since", NativeField("pg_snapshot")),
            ("until", NativeField("pg_snapshot")),
            ("at", models.DateTimeField()),
            ("xid", models.BigIntegerField(default=0)),
            ("seq", models.BigIntegerField(default=0)),
            ("digest", models.UUIDField()),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Consumer",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("name", models.TextField()),
            ("kind", models.TextField()),
            ("done", NativeField("pg_snapshot")),
            ("until", NativeField("pg_snapshot", null=True)),
            ("seq", models.BigIntegerField(default=0)),
            ("state", models.TextField(default="following")),
            ("cluster", models.TextField(default="")),
            ("registered_at", models.DateTimeField()),
            ("seen_at", models.DateTimeField()),
        ],
        options={
            "default_permissions": ("view",),
            "constraints": [
                models.UniqueConstraint(
                    fields=["name", "kind"], name="kck_publish_consumer_name_kind_key"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Change",
        fields=[
            ("seq", models.BigAutoField(primary_key=True, serialize=False)),
            ("xid", NativeField("xid8")),
            ("source", models.TextField()),
            ("op", models.TextField()),
            (
                "columns",
                NativeField("text[]", null=True),
            ),
            (
                "old",
                NativeField("text[]", null=True),
            ),
            (
                "new",
                NativeField("text[]", null=True),
            ),
            ("origin", models.TextField(null=True)),
            ("at", models.DateTimeField()),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Entry",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "digest",
                    "fingerprint",
                    blank=True,
                    editable=False,
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("digest", models.UUIDField()),
            ("fingerprint", models.TextField(db_collation="C")),
            ("key", models.TextField()),
            ("product", models.TextField(db_collation="C")),
            ("bucket", models.IntegerField()),
            ("body", models.BinaryField(null=True)),
            ("shape", models.BinaryField(null=True)),
            ("stamp", NativeField("pg_snapshot")),
            ("by", models.TextField()),
            ("version", models.BigIntegerField()),
            ("primed_at", models.DateTimeField()),
            ("soft_expire", models.DateTimeField(null=True)),
            ("hard_expire", models.DateTimeField(null=True)),
            ("behind", models.BooleanField(default=False)),
            ("reason", models.TextField(default="")),
            ("seconds", models.FloatField(default=0)),
            ("over", models.TextField(null=True)),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Edge",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "digest",
                    "fingerprint",
                    "read",
                    blank=True,
                    editable=False,
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("digest", models.UUIDField()),
            ("fingerprint", models.TextField(db_collation="C")),
            ("key", models.TextField()),
            ("read", models.UUIDField()),
            ("read_key", models.TextField()),
            ("read_product", models.TextField(db_collation="C")),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Failure",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "digest",
                    "fingerprint",
                    blank=True,
                    editable=False,
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("digest", models.UUIDField()),
            ("fingerprint", models.TextField(db_collation="C")),
            ("key", models.TextField()),
            ("product", models.TextField()),
            ("bucket", models.IntegerField()),
            ("attempts", models.IntegerField(default=1)),
            ("first_at", models.DateTimeField()),
            ("due_at", models.DateTimeField(null=True)),
            ("error", models.TextField()),
            ("message", models.TextField()),
            ("traceback", models.TextField()),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Listener",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("name", models.TextField()),
            ("asleep", models.BooleanField(default=False)),
            ("backend", models.IntegerField()),
            ("kind", models.TextField(default="listener")),
            (
                "shards",
                NativeField("integer[]", default=list),
            ),
            ("started_at", models.DateTimeField()),
            ("seen_at", models.DateTimeField()),
            ("busy_until", models.DateTimeField(null=True)),
            ("seat_belt", models.BigIntegerField(default=0)),
            ("audited", models.BigIntegerField(default=0)),
            ("differing", models.BigIntegerField(default=0)),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Schedule",
        fields=[
            ("product", models.TextField(primary_key=True, serialize=False)),
            ("every", models.TextField()),
            ("due_at", models.DateTimeField()),
            ("last_at", models.DateTimeField(null=True)),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Layout",
        fields=[
            ("source", models.TextField(primary_key=True, serialize=False)),
            ("layout", NativeField("jsonb")),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Fetch",
        fields=[
            ("digest", models.UUIDField(primary_key=True, serialize=False)),
            ("key", models.TextField()),
            ("product", models.TextField()),
            ("value", models.BinaryField()),
            ("state", NativeField("jsonb")),
            ("at", models.DateTimeField()),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Copy",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("xid", NativeField("xid8")),
            ("key", models.TextField(null=True)),
            ("consumer", models.BigIntegerField(null=True)),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="Shard",
        fields=[
            ("shard", models.IntegerField(primary_key=True, serialize=False)),
            ("shards", models.IntegerField()),
            ("claimed", NativeField("pg_snapshot")),
            ("done", NativeField("pg_snapshot")),
            ("floor", NativeField("pg_snapshot")),
            ("epoch", models.BigIntegerField(default=0)),
            ("cluster", models.TextField()),
            ("seen_at", models.DateTimeField()),
            ("caught_up_at", models.DateTimeField(null=True)),
            ("owed", NativeField("text[]", default=list)),
            ("forgotten", models.BooleanField(default=False)),
        ],
        options={
            "default_permissions": ("view",),
        },
    ),
]


class Migration(migrations.Migration):
    initial = True

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                PostgresSQL(read_sql("0001", *PARTS), reverse_sql=read_sql("0001", "drop"))
            ],
            state_operations=STATE,
        )
    ]
