"""Consume topics into the database, until told to stop."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.exceptions import KckPublishError
from kck_publish.following.process import keep_what_is_loaded, obey_signals


class Command(BaseCommand):
    help = "Consume topics from Kafka, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("consumer", nargs="*", help="classes, or group:topic; all by default")
        parser.add_argument(
            "--again",
            action="store_true",
            help="only have these TopicProducts read from the beginning, by whoever consumes them",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from kck_publish.contrib.kafka import registry
        from kck_publish.contrib.kafka.consume import Consume
        from kck_publish.contrib.kafka.topic_product import read_again

        try:
            declared = registry.chosen(registry.consumers, options["consumer"])
            if not declared:
                raise CommandError("No consumer is declared in a module kafka of an installed app.")
            if options["again"]:
                read_again(declared)
                return
            consume = Consume(declared)
            consume.say = self._say
            obey_signals(consume.stop)
            keep_what_is_loaded()
            consume.run()
        except KckPublishError as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        """At once, though it is piped: others wait for the line."""
        self.stdout.write(line)
        self.stdout.flush()
