"""The example's Django app."""

from django.apps import AppConfig


class ExampleConfig(AppConfig):
    """Departures from New York."""

    name = "example_app"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Departures from New York"
