"""Fill the topics that are declared, until told to stop."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.exceptions import KckPublishError
from kck_publish.following.process import keep_what_is_loaded, obey_signals


class Command(BaseCommand):
    help = "Relay committed changes and stored products to Kafka, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("topic", nargs="*", help="topics; all that are declared by default")
        parser.add_argument("--poll", action="store_true", help="poll; never LISTEN")

    def handle(self, *args: Any, **options: Any) -> None:
        from kck_publish.contrib.kafka import registry
        from kck_publish.contrib.kafka.relay import Relay

        try:
            topics = registry.chosen(registry.topics, options["topic"])
            if not topics:
                raise CommandError("No topic is declared in a module kafka of an installed app.")
            relay = Relay(topics)
            relay.poll = options["poll"]
            relay.say = self._say
            obey_signals(relay.stop)
            keep_what_is_loaded()
            relay.run()
        except KckPublishError as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        """At once, though it is piped: others wait for the line."""
        self.stdout.write(line)
        self.stdout.flush()
