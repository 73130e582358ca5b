"""Keep the log no longer for a follower that has died."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from kck_publish.conf import settings
from kck_publish.log.consumers import forget


class Command(BaseCommand):
    help = "Forget dead followers of the log, so that it is trimmed; one that returns begins anew."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="+", help="as kck_status names it; a shard: shard:0")

    def handle(self, *args: Any, **options: Any) -> None:
        with connections[settings.DATABASE].cursor() as cursor:
            unknown = [name for name in options["name"] if not forget(cursor, name)]
        if unknown:
            raise CommandError(
                f"Not there, forgotten already, or owned by a listener: {', '.join(unknown)}"
            )
        self.stdout.write(f"{len(options['name'])} forgotten")
