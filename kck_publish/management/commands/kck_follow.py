"""Run a Follower."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from kck_publish.exceptions import KckPublishError
from kck_publish.following.follower import Follower
from kck_publish.following.process import keep_what_is_loaded, obey_signals


class Command(BaseCommand):
    help = "Run a Follower of the change log, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("follower", help="its class: dotted.path.Mirror")
        parser.add_argument("--poll", action="store_true", help="poll; never LISTEN")

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["follower"]
        try:
            imported = import_string(path)
        except ImportError as error:
            raise CommandError(f"{path} cannot be imported: {error}") from error
        if not (isinstance(imported, type) and issubclass(imported, Follower)):
            raise CommandError(f"{path} is no Follower.")
        try:
            follower = imported()
            follower.process.poll = options["poll"]
            follower.process.say = self._say
            obey_signals(follower.stop)
            keep_what_is_loaded()
            follower.run()
        except KckPublishError as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        """At once, though it is piped: others wait for the line."""
        self.stdout.write(line)
        self.stdout.flush()
