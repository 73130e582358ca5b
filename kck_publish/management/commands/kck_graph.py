"""Draw sources, products and dependencies."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish import registry
from kck_publish.exceptions import KckPublishError
from kck_publish.graphing import FORMATS, draw


class Command(BaseCommand):
    help = "Print the graph of sources, products and dependencies."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=FORMATS, default="text", help="text by default")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(draw(registry.graph(), options["format"]), ending="")
        except KckPublishError as error:
            raise CommandError(str(error)) from error
