"""Explain why the value of a key is what it is."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.exceptions import KckPublishError
from kck_publish.ops.explain import Explanation, explain


class Command(BaseCommand):
    help = "Show a key's inputs, stamp, last refresh, pending changes, attempts and dependents."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", help="as build_key makes it: author_page/1")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = explain(options["key"])
        except KckPublishError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(found.as_dict(), default=str))
        else:
            self._print(found)

    def _print(self, found: Explanation) -> None:
        self._line("key", found.key)
        self._line("product", f"{found.product}, {found.computed_by or 'set by hand'}")
        for name, value in found.parameters.items():
            self._line("parameter", f"{name} = {value!r}")
        for kind in ("sources", "products"):
            for one in found.inputs[kind]:
                self._line(kind[:-1], f"{one['name']}  [{one['by']}]")
        for one in found.inputs["recorded"]:
            self._line("read", one["name"])
        self._stored(found)
        waits = found.pending
        self._line("pending", f"{waits['changes']} changes, {waits['requests']} requests")
        if (failure := found.failure) is not None:
            due = f"tried again {failure['due']}" if failure["due"] else "a DEAD LETTER"
            self._line("failed", f"{failure['attempts']} times, {failure['error']}; {due}")
            self._line("message", failure["message"])
        for dependent in found.dependents:
            stored = f"{dependent['stored_keys']} stored keys"
            self._line("dependent", f"{dependent['product']}, {stored}")
        if (plan := found.schedule) is not None:
            self._line("schedule", f"{plan['every']}, next at {plan['due_at']}")
        shard = found.shard
        owner = "none yet" if shard is None else f"{shard['shard']}, {shard['listener'] or 'free'}"
        self._line("shard", owner)

    def _stored(self, found: Explanation) -> None:
        stored, last = found.stored, found.last_refresh
        if stored is None or last is None:
            self._line("stored", "no")
            return
        size = "there is none" if stored["bytes"] is None else f"{stored['bytes']} bytes"
        self._line("stored", f"version {stored['version']}, {size}")
        self._line("stamp", stored["stamp"])
        self._line("behind", "YES" if stored["behind"] else "no")
        for name in ("soft_expire", "hard_expire"):
            if stored[name] is not None:
                self._line(name, stored[name])
        self._line("refreshed", f"{last['at']} by {last['by']}, because of: {last['why']}")
        if last["change"] is not None:
            self._line("change", last["change"])
        self._line("took", f"{last['seconds'] * 1000:.1f} ms")

    def _line(self, name: str, value: object) -> None:
        self.stdout.write(f"{name:12} {value}")
