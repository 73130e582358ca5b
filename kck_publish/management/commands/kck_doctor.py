"""Look at everything that a deployment can have wrong."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from kck_publish.doctor import Finding, examine


class Command(BaseCommand):
    help = "Look at everything a deployment can have wrong; exit 1 when something is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine()
        if options["json"]:
            self.stdout.write(json.dumps([finding.as_dict() for finding in findings]))
        else:
            width = max(len(finding.subject) for finding in findings)
            for finding in findings:
                self._print(finding, width)
        if not all(finding.good for finding in findings):
            sys.exit(1)

    def _print(self, finding: Finding, width: int) -> None:
        if finding.good:
            self.stdout.write(f"ok   {finding.subject}")
        for problem in finding.problems:
            todo = "note" if problem.id.startswith("I") else "fix "
            self.stdout.write(f"{todo} {finding.subject:{width}}  {problem.message} ({problem.id})")
            if problem.cure:
                self.stdout.write(f"     {'':{width}}  {problem.cure}")
