"""Recompute what is stored, and compare."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.conf import settings
from kck_publish.exceptions import KckPublishError
from kck_publish.listener.listener import Listener
from kck_publish.ops.repair import repair
from kck_publish.ops.verify import Report, audit
from kck_publish.postgres import autocommitting


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError("a number of at least 1")
    return int(text)


class Command(BaseCommand):
    help = "Recompute stored values and name the keys that differ; exit 1 when there are any."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("product", nargs="*", help="products to verify; all by default")
        parser.add_argument(
            "--sample", type=_number, metavar="N", help="N keys of each product, at random"
        )
        parser.add_argument(
            "--diff", action="store_true", help="print where values differ, and how"
        )
        parser.add_argument("--repair", action="store_true", help="refresh what differs")
        parser.add_argument(
            "--patience",
            type=float,
            default=30.0,
            metavar="SECONDS",
            help="how long to wait for the listener; 30 by default",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        loud = options["verbosity"] > 1

        def progress(product: str, keys: int) -> None:
            if loud:
                self.stdout.write(f"{product}: {keys} keys")

        patience = options["patience"]
        try:
            with autocommitting(settings.DATABASE):
                report = audit(options["product"], options["sample"], patience, progress)
                if options["repair"]:
                    drain = Listener(settings.DATABASE, say=lambda _: None).once
                    repair(report, patience, drain)
        except KckPublishError as error:
            raise CommandError(str(error)) from error
        self._print(report, loud, options["diff"] or loud)
        if not report.good:
            sys.exit(1)

    def _print(self, report: Report, loud: bool, differences: bool) -> None:
        for key in report.repaired:
            self.stdout.write(f"repaired   {key}")
        for finding in report.findings:
            self.stdout.write(
                f"{finding.kind:10} {finding.key}{f'  ({finding.why})' if finding.why else ''}"
            )
            if differences and finding.difference:
                self.stdout.write(f"{'':10} {finding.difference}")
        if loud:
            for name in report.passed_over:
                self.stdout.write(f"passed over {name}: it is kept by time; name it to compare it")
        wrong = sum(finding.kind in ("different", "failing") for finding in report.findings)
        self.stdout.write(f"{report.compared:,} keys compared, {wrong} wrong")
