"""Have paused products refreshed again, and what was postponed done."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.refresh import paused_products


class Command(BaseCommand):
    help = "Refresh paused products again; what has changed meanwhile is primed now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("product", nargs="*", help="names, as kck_status shows them")
        parser.add_argument("--all", action="store_true", help="every paused product")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["product"] and not options["all"]:
            raise CommandError("Name the products, or say --all.")
        names = paused_products.all_paused() if options["all"] else options["product"]
        resumed = paused_products.resume(names)
        for name in resumed:
            self.stdout.write(f"{name} resumed")
        if unknown := sorted(set(names) - set(resumed)):
            raise CommandError(f"Not paused: {', '.join(unknown)}")
