"""List keys, and messages of Kafka, that failed for good; have them tried again, or forget them."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from kck_publish.conf import settings
from kck_publish.contrib.kafka import dead_letters
from kck_publish.refresh import failures


class Command(BaseCommand):
    help = "List, retry or discard dead letters."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["list", "retry", "discard"])
        parser.add_argument("key", nargs="*", help="keys to retry or discard")
        parser.add_argument("--all", action="store_true", help="every dead letter")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with connections[settings.DATABASE].cursor() as cursor:
            if options["action"] == "list":
                self._list([*failures.dead(cursor), *dead_letters.dead(cursor)], options["json"])
                return
            if not options["key"] and not options["all"]:
                raise CommandError("Name the keys, or say --all.")
            keys = None if options["all"] else options["key"]
            act = failures.revive if options["action"] == "retry" else failures.discard
            of_kafka = dead_letters.revive if act is failures.revive else dead_letters.discard
            done = [*act(cursor, keys), *of_kafka(cursor, keys)]
        unknown = set(options["key"]) - set(done)
        if unknown:
            raise CommandError(f"No dead letter: {', '.join(sorted(unknown))}")
        self.stdout.write(
            f"{len(done)} {'to be retried' if act is failures.revive else 'discarded'}"
        )

    def _list(self, found: list[dict[str, Any]], as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(found, default=str))
            return
        for letter in found:
            error = f"{letter['error']}: {letter['message']}"
            self.stdout.write(f"{letter['key']}  {letter['attempts']} attempts, {error}")
        if not found:
            self.stdout.write("No dead letters.")
