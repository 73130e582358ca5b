"""Captures sources of a test's choice, whatever the registry says, and reads the change log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.db import connection, models

from kck_publish.capture import install
from kck_publish.capture.source import Source
from kck_publish.products import registry

Row = tuple[str, dict[str, str | None] | None, dict[str, str | None] | None]


def source(model: type[models.Model], *columns: str, whole: bool = False) -> Source:
    """A source that captures the columns; it watches them, or all columns when ``whole``."""
    keys = Source((model,), (), ()).primary_key
    return Source((model,), tuple(dict.fromkeys((*keys, *columns))), None if whole else columns)


@contextmanager
def declared(*sources: Source) -> Iterator[None]:
    """Let the registry say that these are the sources; afterwards all is as it was."""
    try:
        with patch.object(registry, "sources", lambda: list(sources)):
            install.register(registry.sources())
            yield
    finally:
        install.register(registry.sources())
        if not connection.in_atomic_block:  # there, the test's rollback puts the triggers back
            install.install("default", registry.sources())
            Log.clear()


@contextmanager
def capturing(*sources: Source) -> Iterator[type[Log]]:
    """Install the triggers of these sources, with an empty log."""
    with declared(*sources):
        install.install("default", registry.sources())
        Log.clear()
        yield Log


class Log:
    """The change log, as the test wants to see it."""

    @staticmethod
    def clear() -> None:
        execute("DELETE FROM kck_publish_change")

    @staticmethod
    def take(table: str | None = None) -> list[Row]:
        """(op, old, new) in order, of one source or of all; the log is empty afterwards."""
        rows = execute(
            "SELECT op, columns, old, new FROM kck_publish_change "
            "WHERE source = %s OR %s::text IS NULL ORDER BY seq",
            table,
            table,
        )
        Log.clear()
        return [
            (
                op,
                old and dict(zip(columns, old, strict=True)),
                new and dict(zip(columns, new, strict=True)),
            )
            for op, columns, old, new in rows
        ]

    @staticmethod
    def ops(table: str | None = None) -> list[str]:
        return [row[0] for row in Log.take(table)]


def execute(query: str, *parameters: Any) -> list[Any]:
    """Run SQL on Django's connection and give its rows, if it has any."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description is not None else []
