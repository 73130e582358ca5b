"""Print the versions of a key as they come."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.contrib.live.process_hub import close_hub
from kck_publish.contrib.live.watching import events
from kck_publish.exceptions import KckPublishError
from kck_publish.products import registry


class Command(BaseCommand):
    help = "Print the versions of a key as they come, until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", help="as author_page/1")
        parser.add_argument("--values", action="store_true", help="print the values too")
        parser.add_argument("--count", type=int, default=None, help="end after so many lines")

    def handle(self, *args: Any, **options: Any) -> None:
        key = options["key"]
        try:
            product = registry.find(key)
            if product is None:
                raise registry.unknown(key)
            product.parameters_of(key)
            asyncio.run(self._print(key, options["values"], options["count"]))
        except KckPublishError as error:
            raise CommandError(str(error)) from error
        finally:
            close_hub()

    async def _print(self, key: str, values: bool, count: int | None) -> None:
        task = asyncio.ensure_future(self._lines(key, values, count))
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(RuntimeError):  # a command that is called in a thread obeys no signal
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    async def _lines(self, key: str, values: bool, count: int | None) -> None:
        lines = 0
        async for event in events(key):
            size = "" if event.body is None else f" {len(event.body)} bytes"
            value = f" {event.body.decode()}" if values and event.body is not None else ""
            # At once, though it is piped: others wait for the line.
            self.stdout.write(f"{event.version} {event.kind}{size}{value}")
            self.stdout.flush()
            lines += 1
            if lines == count:
                return
