"""Which values in a cache are of this database; and no dump of the library's own tables."""

from __future__ import annotations

from django.db import migrations, models

from kck_publish.migrations._operations import PostgresSQL, read_sql

MODELS = (
    "backlog",
    "change",
    "consumer",
    "copy",
    "edge",
    "entry",
    "failure",
    "fetch",
    "layout",
    "listener",
    "schedule",
    "shard",
)
KAFKA = ("kafkafailure", "kafkaoffset", "kafkarelay", "kafkaunsent", "kafkaversion")
OPTIONS = {"base_manager_name": "objects", "default_permissions": ("view",)}


class Migration(migrations.Migration):
    dependencies = [("kck_publish", "0002_kafka")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                PostgresSQL(read_sql("0003", "generation"), reverse_sql=read_sql("0003", "drop"))
            ],
            state_operations=[
                migrations.CreateModel(
                    name="Generation",
                    fields=[
                        ("cache", models.TextField(primary_key=True, serialize=False)),
                        ("generation", models.TextField()),
                        ("cluster", models.TextField()),
                    ],
                    options=OPTIONS,
                ),
            ],
        ),
        *(migrations.AlterModelOptions(name=name, options=OPTIONS) for name in (*MODELS, *KAFKA)),
    ]
