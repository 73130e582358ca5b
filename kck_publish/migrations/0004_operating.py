"""The history of the products, their pauses, and the trace of the request that has written."""

from __future__ import annotations

from django.db import migrations, models

from kck_publish.migrations._operations import PostgresSQL, read_sql

STATE = [
    migrations.CreateModel(
        name="History",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "product",
                    "minute",
                    blank=True,
                    editable=False,
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("product", models.TextField(db_collation="C")),
            ("minute", models.DateTimeField()),
            ("refreshed", models.BigIntegerField(default=0)),
            ("augmented", models.BigIntegerField(default=0)),
            ("unchanged", models.BigIntegerField(default=0)),
            ("removed", models.BigIntegerField(default=0)),
            ("failed", models.BigIntegerField(default=0)),
            ("seconds", models.FloatField(default=0)),
            ("seconds_max", models.FloatField(default=0)),
            ("bytes", models.BigIntegerField(default=0)),
            ("lagged", models.BigIntegerField(default=0)),
            ("waiting", models.FloatField(default=0)),
            ("waiting_max", models.FloatField(default=0)),
            ("computing", models.FloatField(default=0)),
            ("computing_max", models.FloatField(default=0)),
            ("changes", models.BigIntegerField(default=0)),
            ("batches", models.BigIntegerField(default=0)),
        ],
        options={"base_manager_name": "objects", "default_permissions": ("view",)},
    ),
    migrations.CreateModel(
        name="Pause",
        fields=[
            (
                "product",
                models.TextField(db_collation="C", primary_key=True, serialize=False),
            ),
            ("since", models.DateTimeField()),
            ("by", models.TextField(default="")),
        ],
        options={
            "base_manager_name": "objects",
            "default_permissions": ("view",),
            "permissions": [
                ("operate", "Can retry, discard, refresh, verify, pause and resume"),
                ("view_value", "Can view stored values"),
            ],
        },
    ),
    migrations.CreateModel(
        name="Postponed",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "product",
                    "op",
                    "key",
                    blank=True,
                    editable=False,
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("product", models.TextField(db_collation="C")),
            ("op", models.TextField()),
            ("key", models.TextField(default="")),
            ("at", models.DateTimeField()),
        ],
        options={"base_manager_name": "objects", "default_permissions": ("view",)},
    ),
    migrations.AddField(model_name="change", name="trace", field=models.TextField(null=True)),
]


class Migration(migrations.Migration):
    dependencies = [("kck_publish", "0003_generation")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                PostgresSQL(read_sql("0004", "operating"), reverse_sql=read_sql("0004", "drop"))
            ],
            state_operations=STATE,
        )
    ]
