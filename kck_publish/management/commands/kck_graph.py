"""Draw sources, products and dependencies."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections

from kck_publish.conf import settings
from kck_publish.exceptions import KckPublishError
from kck_publish.ops.graph import FORMATS, draw
from kck_publish.products import registry
from kck_publish.stores import edges


def _recorded() -> list[tuple[str, str]]:
    """The dependencies recorded so far; the declarations can be drawn without a database."""
    try:
        with connections[settings.DATABASE].cursor() as cursor:
            return edges.pairs(cursor)
    except DatabaseError:
        return []


class Command(BaseCommand):
    help = "Print the graph of sources, products and dependencies."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=FORMATS, default="text", help="text by default")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            graph = registry.graph()
            self.stdout.write(draw(graph, options["format"], _recorded()), ending="")
        except KckPublishError as error:
            raise CommandError(str(error)) from error
