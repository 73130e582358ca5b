"""What the relay to Kafka and its consumers keep: topics, offsets, failures, versions."""

from __future__ import annotations

from django.db import migrations, models

from kck_publish.migrations._operations import PostgresSQL, read_sql

STATE = [
    migrations.CreateModel(
        name="KafkaRelay",
        fields=[
            ("topic", models.TextField(primary_key=True, serialize=False)),
            ("topic_id", models.TextField(default="")),
            ("sent", models.BigIntegerField(default=0)),
            ("suppressed", models.BigIntegerField(default=0)),
            ("failed", models.BigIntegerField(default=0)),
            ("error", models.TextField(default="")),
            ("error_at", models.DateTimeField(null=True)),
            ("sent_at", models.DateTimeField(null=True)),
        ],
        options={
            "db_table": "kck_publish_kafka_relay",
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="KafkaUnsent",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("topic", models.TextField()),
            ("key", models.BinaryField()),
            ("value", models.BinaryField(null=True)),
            ("headers", models.BinaryField()),
            ("error", models.TextField()),
            ("attempts", models.IntegerField(default=1)),
            ("due_at", models.DateTimeField()),
            ("first_at", models.DateTimeField()),
        ],
        options={
            "db_table": "kck_publish_kafka_unsent",
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="KafkaOffset",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "consumer",
                    "topic",
                    "partition",
                    blank=True,
                    editable=False,
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("consumer", models.TextField()),
            ("topic", models.TextField()),
            ("partition", models.IntegerField()),
            ("topic_id", models.TextField(default="")),
            ("next", models.BigIntegerField()),
            ("seen", models.BigIntegerField(default=0)),
            ("handled", models.BigIntegerField(default=0)),
            ("message_at", models.DateTimeField(null=True)),
            ("seen_at", models.DateTimeField()),
        ],
        options={
            "db_table": "kck_publish_kafka_offset",
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="KafkaFailure",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("consumer", models.TextField()),
            ("topic", models.TextField()),
            ("partition", models.IntegerField()),
            ("place", models.BigIntegerField()),
            ("digest", models.UUIDField()),
            ("key", models.BinaryField(null=True)),
            ("value", models.BinaryField(null=True)),
            ("headers", models.BinaryField()),
            ("message_at", models.DateTimeField(null=True)),
            ("state", models.TextField()),
            ("attempts", models.IntegerField(default=1)),
            ("due_at", models.DateTimeField(null=True)),
            ("superseded", models.BooleanField(default=False)),
            ("untold", models.BooleanField(default=False)),
            ("tell_at", models.DateTimeField(null=True)),
            ("tell_attempts", models.IntegerField(default=0)),
            ("tell_error", models.TextField(default="")),
            ("error", models.TextField()),
            ("message", models.TextField()),
            ("traceback", models.TextField()),
            ("first_at", models.DateTimeField()),
        ],
        options={
            "db_table": "kck_publish_kafka_failure",
            "default_permissions": ("view",),
        },
    ),
    migrations.CreateModel(
        name="KafkaVersion",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "consumer",
                    "topic",
                    "digest",
                    blank=True,
                    editable=False,
                    primary_key=True,
                    serialize=False,
                ),
            ),
            ("consumer", models.TextField()),
            ("topic", models.TextField()),
            ("digest", models.UUIDField()),
            ("version", models.TextField()),
        ],
        options={
            "db_table": "kck_publish_kafka_version",
            "default_permissions": ("view",),
        },
    ),
]


class Migration(migrations.Migration):
    dependencies = [("kck_publish", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                PostgresSQL(read_sql("0002", "kafka"), reverse_sql=read_sql("0002", "drop"))
            ],
            state_operations=STATE,
        )
    ]
