"""The example's tables."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Airline",
            fields=[
                ("code", models.CharField(max_length=2, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80, unique=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Airport",
            fields=[
                (
                    "faa",
                    models.CharField(
                        max_length=4, primary_key=True, serialize=False, verbose_name="FAA code"
                    ),
                ),
                ("name", models.CharField(max_length=80, unique=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Plane",
            fields=[
                (
                    "tailnum",
                    models.CharField(
                        max_length=6, primary_key=True, serialize=False, verbose_name="tail number"
                    ),
                ),
                ("year", models.SmallIntegerField(blank=True, null=True)),
                ("manufacturer", models.CharField(blank=True, max_length=40)),
                ("model", models.CharField(blank=True, max_length=40)),
                ("seats", models.SmallIntegerField(blank=True, null=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Flight",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.IntegerField()),
                ("day", models.DateField(help_text="Of the scheduled departure, in New York.")),
                ("scheduled", models.DateTimeField(help_text="Scheduled departure.")),
                (
                    "dep_delay",
                    models.IntegerField(
                        blank=True, help_text="Minutes; below 0: early.", null=True
                    ),
                ),
                (
                    "arr_delay",
                    models.IntegerField(
                        blank=True, help_text="Minutes; below 0: early.", null=True
                    ),
                ),
                ("air_time", models.IntegerField(blank=True, help_text="Minutes.", null=True)),
                ("distance", models.IntegerField(help_text="Miles.")),
                (
                    "carrier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="flights",
                        to="example_app.airline",
                    ),
                ),
                (
                    "destination",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="arrivals",
                        to="example_app.airport",
                    ),
                ),
                (
                    "origin",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="departures",
                        to="example_app.airport",
                    ),
                ),
                (
                    "plane",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="flights",
                        to="example_app.plane",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["origin", "day"], name="flight_origin_day"),
                    models.Index(fields=["origin", "destination"], name="flight_route"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("carrier", "number", "day"), name="one_flight_a_day"
                    )
                ],
            },
        ),
    ]
