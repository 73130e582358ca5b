"""Have nothing computed of products, until they are resumed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.exceptions import KckPublishError
from kck_publish.refresh import paused_products


class Command(BaseCommand):
    help = "Compute nothing of these products until kck_resume; their changes are kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("product", nargs="+", help="names, as kck_graph shows them")
        parser.add_argument("--by", default="", help="who pauses, for those who look later")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            paused = paused_products.pause(options["product"], options["by"])
        except KckPublishError as error:
            raise CommandError(str(error)) from error
        for name in options["product"]:
            self.stdout.write(f"{name} {'paused' if name in paused else 'was paused already'}")
