"""Explain why the value of a key is what it is."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kck_publish.exceptions import KckPublishError
from kck_publish.ops.compare import look_at
from kck_publish.ops.explain import Explanation, explain
from kck_publish.products import registry


class Command(BaseCommand):
    help = "Show a key's inputs, stamp, last refresh, pending changes, attempts and dependents."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", help="as build_key makes it: author_page/1")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument(
            "--diff", action="store_true", help="compute it, and print what differs"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            explanation = explain(options["key"])
        except KckPublishError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(explanation.as_dict(), default=str))
        else:
            self._print(explanation)
        if options["diff"]:
            self._diff(options["key"])

    def _diff(self, key: str) -> None:
        """The stored value against a compute: on demand only, since it shows values."""
        product = registry.find(key)
        if product is None:
            raise CommandError(f"Nobody computes {key}.")
        for finding, _ in look_at(product, [key]).findings:
            self._line("diff", f"{finding.kind}{f' ({finding.why})' if finding.why else ''}")
            if finding.difference:
                self._line("", finding.difference)
            return
        self._line("diff", "none")

    def _print(self, explanation: Explanation) -> None:
        self._line("key", explanation.key)
        self._line("product", f"{explanation.product}, {explanation.computed_by or 'set by hand'}")
        for name, value in explanation.parameters.items():
            self._line("parameter", f"{name} = {value!r}")
        for kind in ("sources", "products"):
            for dependency in explanation.inputs[kind]:
                self._line(kind[:-1], f"{dependency['name']}  [{dependency['by']}]")
        for product in explanation.inputs["recorded"]:
            self._line("read", product["name"])
        self._stored(explanation)
        waits = explanation.pending
        self._line("pending", f"{waits['changes']} changes, {waits['requests']} requests")
        if (failure := explanation.failure) is not None:
            due = f"tried again {failure['due']}" if failure["due"] else "a DEAD LETTER"
            self._line("failed", f"{failure['attempts']} times, {failure['error']}; {due}")
            self._line("message", failure["message"])
        for dependent in explanation.dependents:
            stored = f"{dependent['stored_keys']} stored keys"
            self._line("dependent", f"{dependent['product']}, {stored}")
        if (plan := explanation.schedule) is not None:
            self._line("schedule", f"{plan['every']}, next at {plan['due_at']}")
        shard = explanation.shard
        owner = "none yet" if shard is None else f"{shard['shard']}, {shard['listener'] or 'free'}"
        self._line("shard", owner)

    def _stored(self, explanation: Explanation) -> None:
        stored, last = explanation.stored, explanation.last_refresh
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
