"""Prime whole domains, so that the first reader finds them."""

from __future__ import annotations

import time
import traceback
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.exceptions import KckPublishError
from kck_publish.ops.prime_domains import Primes, Warmed, domains, here, prime_domain
from kck_publish.ops.prime_workers import WorkerPool
from kck_publish.products.product import Product

_WIDTH = 24
# Seconds between two lines about one product, where there is no terminal.
_LINES = 10.0


class Command(BaseCommand):
    help = "Prime the domains of products."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("product", nargs="*", help="products to prime")
        parser.add_argument("--all", action="store_true", help="every product with a domain")
        parser.add_argument(
            "--workers", type=int, default=1, help="processes that compute side by side"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["product"] and not options["all"]:
            raise CommandError("Name the products to prime, or say --all.")
        if options["workers"] < 1:
            raise CommandError("--workers takes a number from 1 on.")
        try:
            products = domains(options["product"], options["all"])
            pool = WorkerPool(options["workers"]) if options["workers"] > 1 else nullcontext(here)
            with pool as primes:
                results = [self._prime(product, primes) for product in products]
        except KckPublishError as error:
            raise CommandError(str(error)) from error
        failed = sum(result.failed for result in results)
        broken = sum(result.broken is not None for result in results)
        said = [f"{failed} keys could not be primed."] if failed else []
        said += [f"The domain of {broken} products is not known."] if broken else []
        if said:
            raise CommandError(" ".join(said))

    def _prime(self, product: Product, primes: Primes) -> Warmed:
        start = time.monotonic()
        live = bool(getattr(self.stderr, "isatty", lambda: False)())
        said = start

        def progress(done: Warmed) -> None:
            nonlocal said
            if live:
                self.stderr.write("\r\x1b[K" + self._line(done), ending="")
            elif time.monotonic() - said > _LINES:
                said = time.monotonic()
                self.stdout.write(self._line(done))

        done = prime_domain(product, progress, primes)
        if live:
            self.stderr.write("\r\x1b[K", ending="")
        self.stdout.write(f"{self._line(done)}  {time.monotonic() - start:.1f} s")
        for key, why in done.names:
            self.stderr.write(f"  {key}: {why}")
        if done.failed > len(done.names):
            self.stderr.write(f"  and {done.failed - len(done.names)} more")
        if done.broken is not None:
            trace = "".join(traceback.format_exception(done.broken)).rstrip()
            self.stderr.write(f"  domain() of {product.name} failed: {trace}")
        return done

    def _line(self, done: Warmed) -> str:
        shown = f"{done.product:32} {_bar(done)}"
        shown += f", {done.failed:,} failed" if done.failed else ""
        return shown + (f", {done.left:,} to be removed" if done.left else "")


def _bar(done: Warmed) -> str:
    if done.total is None:
        return f"{done.primed:,} primed"
    share = (done.primed + done.failed) / done.total if done.total else 1.0
    bar = "#" * min(_WIDTH, round(share * _WIDTH))
    return f"[{bar:{_WIDTH}}] {done.primed:,} of {done.total:,}"
