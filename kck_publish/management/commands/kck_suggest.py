"""Suggest what products should declare, from what a sample of their keys reads."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.exceptions import KckPublishError
from kck_publish.ops.suggest import suggest
from kck_publish.ops.suggestion import Suggestion
from kck_publish.ops.write_declarations import write


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError("a number of at least 1")
    return int(text)


class Command(BaseCommand):
    help = (
        "Compute a sample of keys in a transaction that only reads, and print the depends_on that "
        "follows from what they read; exit 1 when something is read and not declared."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "product", nargs="*", help="products or keys; all products with a depends_on by default"
        )
        parser.add_argument("--write", action="store_true", help="add what is missing to the files")
        parser.add_argument(
            "--sample", type=_number, default=20, metavar="N", help="keys of each product; 20"
        )
        parser.add_argument("--json", action="store_true", help="the same for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = suggest(options["product"], options["sample"])
            written = [write(each) for each in found if each.lines] if options["write"] else []
        except KckPublishError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            described = [_described(each) for each in found]
            self.stdout.write(json.dumps({"products": described, "written": written}, indent=2))
        else:
            for each in found:
                self._print(each)
            for place in written:
                self.stdout.write(f"written: {place}")
            if not found:
                self.stdout.write("no product has a depends_on to suggest")
        if any(each.failed for each in found) or (
            not options["write"] and any(each.undeclared for each in found)
        ):
            sys.exit(1)

    def _print(self, found: Suggestion) -> None:
        self.stdout.write(f"{found.product.name}  ({found.place}; {_keys(found.keys)})")
        if found.seen:
            self.stdout.write("    depends_on = [")
            for each in found.seen:
                self.stdout.write(f"        {each},")
            self.stdout.write("    ]")
        for title, lines in (
            ("read and not declared", found.undeclared),
            ("to add", found.lines),
            ("declared and not read", found.unread),
            ("note", found.notes),
        ):
            for line in lines:
                self.stdout.write(f"  {title}: {line}")


def _keys(count: int) -> str:
    return "1 key" if count == 1 else f"{count} keys"


def _described(found: Suggestion) -> dict[str, Any]:
    return {
        "product": found.product.name,
        "place": found.place,
        "keys": found.keys,
        "failed": found.failed,
        "depends_on": [str(each) for each in found.seen],
        "undeclared": found.undeclared,
        "add": found.lines,
        "unread": found.unread,
        "notes": found.notes,
    }
