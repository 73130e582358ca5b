"""Follow the change log and keep every product true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connections

from kck_publish.conf import settings, working_in
from kck_publish.diagnosis.databases import computed_elsewhere
from kck_publish.diagnosis.grants import missing_for_a_listener
from kck_publish.diagnosis.registry import errors
from kck_publish.exceptions import ConfigurationError, KckPublishError
from kck_publish.following.process import keep_what_is_loaded, obey_signals
from kck_publish.listener.endpoint import Reply, health_routes, serving
from kck_publish.listener.listener import Listener
from kck_publish.listener.near_follower import NearFollower
from kck_publish.listener.near_loop import following
from kck_publish.listener.supervisors import heartbeat_file, systemd


def _refuse() -> None:
    """Start nothing where the checks of the database find an error.

    Raises:
        ConfigurationError: naming each.
    """
    alias = settings.DATABASE
    if problems := errors(alias) or missing_for_a_listener(alias):
        text = "\n".join(f"(kck_publish.{problem.id}) {problem}" for problem in problems)
        raise ConfigurationError(text)


class Command(BaseCommand):
    help = "Follow the change log and keep every product true, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shards", type=int, help="own at most so many shards here")
        parser.add_argument("--poll", action="store_true", help="poll; never LISTEN")
        parser.add_argument("--once", action="store_true", help="drain and exit")
        parser.add_argument("--near-only", action="store_true", help="follow for NEAR; no shards")
        parser.add_argument("--database", help="alias; instead of the setting DATABASE")
        parser.add_argument("--health", metavar="HOST:PORT", help="serve /live and /ready")
        parser.add_argument("--metrics", metavar="HOST:PORT", help="serve /metrics (prometheus)")
        parser.add_argument("--heartbeat", type=Path, metavar="FILE", help="touched while it lives")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["shards"] is not None and options["shards"] < 1:
            raise CommandError("--shards takes 1 or more.")
        if (alias := options["database"]) and alias not in connections:
            raise CommandError(f"There is no database {alias!r} in DATABASES.")
        watched = ("health", "metrics", "heartbeat")
        if (options["once"] or options["near_only"]) and any(options[one] for one in watched):
            raise CommandError("--health, --metrics and --heartbeat are of a listener that stays.")
        with working_in(alias or settings.DATABASE):
            if alias:  # else the system checks have looked
                self._refuse_other_databases()
            self._listen(options)

    def _refuse_other_databases(self) -> None:
        """See that computes read the database that is followed."""
        if elsewhere := computed_elsewhere(settings.DATABASE):
            raise CommandError(
                f"Computes would read other databases than {settings.DATABASE!r}, which is "
                f"followed: {', '.join(elsewhere[:5])}. Put 'kck_publish.routing.PrimaryRouter' "
                "first in DATABASE_ROUTERS."
            )

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
            stored=near.keep if near else lambda keys, written: None,
            refuse=_refuse,
        )
        try:
            if options["once"]:
                outcome = listener.once()
                if options["verbosity"] > 1:
                    self.stdout.write(str(outcome))
                return
            obey_signals(listener.stop)
            keep_what_is_loaded()
            with self._watched(listener, options), following(near):
                listener.run()
        except (KckPublishError, DatabaseError) as error:
            raise CommandError(str(error)) from error

    @contextmanager
    def _watched(self, listener: Listener, options: dict[str, Any]) -> Iterator[None]:
        """Within the block those who watch the listener are answered."""
        routes: dict[str, dict[str, Callable[[], Reply]]] = {}
        if options["health"]:
            routes.setdefault(options["health"], {}).update(health_routes(listener.heartbeat))
        if options["metrics"]:
            from kck_publish.contrib.prometheus.listener import metrics_routes

            routes.setdefault(options["metrics"], {}).update(metrics_routes(settings.DATABASE))
        with ExitStack() as stack:
            for address, served in routes.items():
                stack.enter_context(serving(address, served, self._say))
            stack.enter_context(heartbeat_file(listener.heartbeat, options["heartbeat"]))
            stack.enter_context(systemd(listener.heartbeat))
            yield

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
        keep_what_is_loaded()
        near.run()
