"""``manage.py load_flights``: load the example's data."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from example_app.loading import AlreadyLoadedError, load


class Command(BaseCommand):
    help = "Load the departures from New York's airports in January 2013."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--replace", action="store_true", help="truncate the tables first")
        parser.add_argument("--database", default="default", help="which database to load into")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            counts = load(self._progress, replace=options["replace"], using=options["database"])
        except AlreadyLoadedError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(", ".join(f"{model} {rows:,}" for model, rows in counts.items()))

    def _progress(self, done: int, total: int) -> None:
        if self.stderr.isatty():
            end = "\n" if done == total else ""
            self.stderr.write(f"\r{done:>7,} of {total:,} rows", ending=end)
