"""Show how far the products are behind, and what is wrong."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from kck_publish.exceptions import KckPublishError
from kck_publish.status import Status, status


class Command(BaseCommand):
    help = "Show lag, shards, listeners, queue, dead letters and trigger coverage."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--check", action="store_true", help="exit 1 when unhealthy")
        parser.add_argument("--max-lag", type=float, default=5.0, help="seconds; 5 by default")
        parser.add_argument("--database", help="alias; the setting DATABASE by default")

    def handle(self, *args: Any, **options: Any) -> None:
        if (alias := options["database"]) and alias not in connections:
            raise CommandError(f"There is no database {alias!r} in DATABASES.")
        try:
            report = status(options["max_lag"], options["database"])
        except KckPublishError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_dict(), default=str))
        else:
            self._print(report)
        if options["check"] and not report.healthy:
            sys.exit(1)

    def _print(self, report: Status) -> None:
        queue = ", ".join(f"{number} {name}" for name, number in report.queue.items())
        self.stdout.write(f"lag        {report.lag_seconds:.1f} s")
        self.stdout.write(f"queue      {queue}")
        for shard in report.shards:
            owner = shard["listener"] or "nobody"
            state = f"{owner}, lag {shard['lag_seconds']:.1f} s"
            state = "forgotten" if shard["forgotten"] else state
            self.stdout.write(f"shard      {shard['shard']} of {shard['shards']}: {state}")
        for consumer in report.consumers:
            seen, rows = consumer["seen_seconds_ago"], consumer["holds"]
            state = f"seen {seen:.0f} s ago, {rows} rows behind"
            self.stdout.write(f"consumer   {consumer['name']} ({consumer['kind']}): {state}")
        for listener in report.listeners:
            state = "asleep" if listener["asleep"] else "awake"
            state = state if listener["connected"] else "gone"
            seen = listener["seen_seconds_ago"]
            self.stdout.write(f"listener   {listener['name']}: {state}, seen {seen:.0f} s ago")
        for plan in report.schedule:
            self.stdout.write(f"schedule   {plan['product']} ({plan['every']}): {plan['due_at']}")
        for topic in report.kafka.get("topics", ()):
            state = f"{topic['sent']} sent, {topic['unsent']} refused"
            self.stdout.write(f"topic      {topic['topic']}: {state}")
        for partition in report.kafka.get("partitions", ()):
            name = f"{partition['group']}: {partition['topic']}/{partition['partition']}"
            state = f"lag {partition['lag']}, {partition['lag_seconds']:.1f} s"
            self.stdout.write(f"partition  {name}: {state}")
        for paused in report.paused:
            waiting = "all of it" if paused["whole"] else f"{paused['keys']} keys"
            by = f" by {paused['by']}" if paused["by"] else ""
            since = f"{paused['since']:%Y-%m-%d %H:%M:%S}"
            self.stdout.write(f"paused     {paused['product']}: since {since}{by}, {waiting} wait")
        self.stdout.write(f"dead       {report.dead_letters} letters")
        self.stdout.write(f"seat belt  {report.seat_belt}")
        compared, differing = report.audit["compared"], report.audit["differing"]
        self.stdout.write(f"audit      {compared} keys compared, {differing} differing")
        self.stdout.write(f"triggers   {'complete' if not report.triggers else 'INCOMPLETE'}")
        self.stdout.write(f"healthy    {'yes' if report.healthy else 'NO'}")
        for problem in report.problems:
            self.stdout.write(f"           {problem}")
