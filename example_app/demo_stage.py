"""What the demo's acts share: where they report, the writer's connection, the listener, waiting.

The demo reads through Django's connection, like any web process, and writes raw SQL through
another one, like any other program: nothing of a write is known to the reader but by the database.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import date
from typing import Any

import psycopg
from django.db import connections

from kck_publish.status import status

from .demo_processes import Child
from .demo_report import DemoError, Report, until


class Stage(AbstractContextManager["Stage", None]):
    """Enter it before the first act; leaving it ends what the acts have started.

    Args:
        report: where to.
        dsn: of the database.
        day: the day that is played with.

    Raises:
        DemoError: the database does not take connections.
    """

    def __init__(self, report: Report, dsn: str, day: date) -> None:
        self.report = report
        self.day = day
        try:
            self.writer = psycopg.connect(dsn, autocommit=True, prepare_threshold=1)
        except psycopg.OperationalError as error:
            raise DemoError(f"No connection to the database: {error}") from error
        self.killed: Child | None = None
        self._children: list[Child] = []

    def start(self, script: str, *arguments: str) -> Child:
        """Start a script of the example; it is ended with the stage."""
        child = Child(script, *arguments)
        self._children.append(child)
        return child

    def kill_listener(self) -> None:
        """SIGKILL."""
        self.killed = self.listener
        self.killed.kill()

    def start_listener(self) -> Child:
        """``manage.py kck_listen``, once it follows the log."""
        self.listener = self.start("manage.py", "kck_listen")
        self.listener.wait_for("ready", 60.0)
        return self.listener

    def drained(self, seconds: float = 60.0) -> None:
        """Return when everything that is committed has been handled.

        Raises:
            DemoError: it was not.
        """
        until(lambda: status().queue["log"] == 0, seconds, "the listener has handled every change")

    def check_children(self) -> None:
        """Raises DemoError when the listener or the site has ended."""
        for child in self._children:
            if child is not self.killed and child.ended():
                raise DemoError(f"{child.name} {child.ended()}:\n{child.tail()}")

    def rows(self, query: Any, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the writer's connection answers."""
        return self.writer.execute(query, parameters).fetchall()

    def __exit__(self, *error: object) -> None:
        for child in reversed(self._children):
            with child:
                pass
        self.writer.close()
        connections.close_all()
