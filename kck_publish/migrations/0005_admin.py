"""The names under which the admin lists pages: no table, and nothing in a database, changes."""

from __future__ import annotations

from django.db import migrations, models

OPTIONS = {"base_manager_name": "objects", "default_permissions": (), "managed": False}


class Migration(migrations.Migration):
    dependencies = [("kck_publish", "0004_operating")]

    operations = [
        migrations.CreateModel(
            name="Product",
            fields=[
                (
                    "product",
                    models.TextField(db_collation="C", primary_key=True, serialize=False),
                )
            ],
            options={**OPTIONS, "db_table": "kck_publish_pause"},
        ),
        migrations.CreateModel(
            name="StoredKey",
            fields=[("key", models.TextField(primary_key=True, serialize=False))],
            options={
                **OPTIONS,
                "db_table": "kck_publish_entry",
                "verbose_name": "stored entry",
                "verbose_name_plural": "stored entries",
            },
        ),
        migrations.CreateModel(
            name="FailedKey",
            fields=[("key", models.TextField(primary_key=True, serialize=False))],
            options={
                **OPTIONS,
                "db_table": "kck_publish_failure",
                "verbose_name": "failure",
                "verbose_name_plural": "failures and dead letters",
            },
        ),
    ]
