"""Validate and publish the declared connectors of Kafka Connect, and look at how they are."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.exceptions import KckPublishError


class Command(BaseCommand):
    help = "Validate and publish connectors of Kafka Connect; one that is marked is deleted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("connector", nargs="*", help="names or classes; all by default")
        parser.add_argument("--list", action="store_true", help="show what is declared")
        parser.add_argument("--validate", action="store_true", help="have the server check them")
        parser.add_argument("--publish", action="store_true", help="create, update or delete them")
        parser.add_argument("--check-status", action="store_true", help="see that they are RUNNING")
        parser.add_argument("--ignore-failures", action="store_true", help="exit 0 all the same")

    def handle(self, *args: Any, **options: Any) -> None:
        from kck_publish.contrib.kafka import registry
        from kck_publish.contrib.kafka.connect_rest import Connect

        try:
            connectors = registry.chosen(registry.connectors, options["connector"])
            if options["list"] or not (
                options["validate"] or options["publish"] or options["check_status"]
            ):
                for connector in connectors:
                    mark = " (marked for removal)" if connector.mark_for_removal else ""
                    self.stdout.write(f"{connector.full_name()}{mark}")
                return
            with Connect() as connect:
                failed = self._act(connect, connectors, options)
        except KckPublishError as error:
            raise CommandError(str(error)) from error
        if failed and not options["ignore_failures"]:
            raise CommandError(f"{failed} connectors have failed.")

    def _act(self, connect: Any, connectors: list[Any], options: dict[str, Any]) -> int:
        failed = 0
        for connector in connectors:
            kept = not connector.mark_for_removal
            try:
                if options["validate"] and kept:
                    self._validate(connect, connector)
                if options["publish"]:
                    self.stdout.write(f"{connector.full_name()}: {connect.publish(connector)}")
                if options["check_status"] and kept:
                    self._check(connect, connector)
            except KckPublishError as error:
                failed += 1
                self.stderr.write(f"{connector.full_name()}: {error}")
        return failed

    def _validate(self, connect: Any, connector: Any) -> None:
        if problems := connect.validate(connector):
            raise KckPublishError("not valid: " + "; ".join(problems))
        self.stdout.write(f"{connector.full_name()}: valid")

    def _check(self, connect: Any, connector: Any) -> None:
        state = connect.status(connector)
        if state != "RUNNING":
            raise KckPublishError(f"is {state}")
        self.stdout.write(f"{connector.full_name()}: RUNNING")
