"""Follow the change log and keep every product true."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections

from kck_publish.conf import settings, working_in
from kck_publish.exceptions import KckPublishError
from kck_publish.following.process import obey_signals
from kck_publish.listener.listener import Listener
from kck_publish.listener.near_follower import NearFollower
from kck_publish.listener.near_loop import following


class Command(BaseCommand):
    help = "Follow the change log and keep every product true, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shards", type=int, help="own at most so many shards here")
        parser.add_argument("--poll", action="store_true", help="poll; never LISTEN")
        parser.add_argument("--once", action="store_true", help="drain and exit")
        parser.add_argument("--near-only", action="store_true", help="follow for NEAR; no shards")
        parser.add_argument("--database", help="alias; instead of the setting DATABASE")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["shards"] is not None and options["shards"] < 1:
            raise CommandError("--shards takes 1 or more.")
        if (alias := options["database"]) and alias not in connections:
            raise CommandError(f"There is no database {alias!r} in DATABASES.")
        with working_in(alias or settings.DATABASE):
            self._listen(options)

    def _listen(self, options: dict[str, Any]) -> None:
        try:
            if options["near_only"]:
                self._follow(options)
                return
            near = NearFollower(settings.DATABASE, options["poll"]) if settings.NEAR else None
        except KckPublishError as error:
            raise CommandError(str(error)) from error
        listener = Listener(
            settings.DATABASE,
            poll=options["poll"],
            most=options["shards"],
            say=self._say,
            stored=near.nudge if near else lambda keys: None,
        )
        try:
            if options["once"]:
                outcome = listener.once()
                if options["verbosity"] > 1:
                    self.stdout.write(str(outcome))
                return
            obey_signals(listener.stop)
            with following(near):
                listener.run()
        except (KckPublishError, DatabaseError) as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        """At once, though it is piped: others wait for the line."""
        self.stdout.write(line)
        self.stdout.flush()

    def _follow(self, options: dict[str, Any]) -> None:
        """Follow for this host's near store alone."""
        if options["once"] or options["shards"] is not None:
            raise CommandError("--near-only takes no shards and never ends by itself.")
        near = NearFollower(settings.DATABASE, options["poll"], self._say)
        obey_signals(near.stop)
        near.run()
