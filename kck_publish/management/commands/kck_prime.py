"""Prime whole domains, so that the first reader finds them."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.exceptions import KckPublishError
from kck_publish.warming import Warmed, domains, prime_domain

_WIDTH = 24


class Command(BaseCommand):
    help = "Prime the domains of products."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("product", nargs="*", help="products to prime")
        parser.add_argument("--all", action="store_true", help="every product with a domain")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["product"] and not options["all"]:
            raise CommandError("Name the products to prime, or say --all.")
        try:
            found = [
                self._prime(product) for product in domains(options["product"], options["all"])
            ]
        except KckPublishError as error:
            raise CommandError(str(error)) from error
        failed = sum(one.failed for one in found)
        if failed:
            raise CommandError(f"{failed} keys could not be primed.")

    def _prime(self, product: Any) -> Warmed:
        start = time.perf_counter()
        live = bool(getattr(self.stderr, "isatty", lambda: False)())

        def progress(done: Warmed) -> None:
            if live:
                self.stderr.write("\r" + self._bar(done), ending="")

        done = prime_domain(product, progress)
        seconds = time.perf_counter() - start
        if live:
            self.stderr.write("\r\x1b[K", ending="")
        self.stdout.write(f"{self._bar(done)}  {seconds:.1f} s")
        return done

    def _bar(self, done: Warmed) -> str:
        share = (done.primed + done.failed) / done.total if done.total else 1.0
        bar = "#" * round(share * _WIDTH)
        failed = f", {done.failed} failed" if done.failed else ""
        return f"{done.product:32} [{bar:{_WIDTH}}] {done.primed:,} of {done.total:,}{failed}"
