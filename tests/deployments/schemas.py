"""Two schemas of one database, each with the tables of the sources and of the library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import connection

from tests.catalog.fixtures import sql

NAMES = ("north", "south")


@contextmanager
def within(path: str) -> Iterator[None]:
    """Django's connection looks for tables there."""
    sql("SELECT set_config('search_path', %s, false)", path)
    try:
        yield
    finally:
        sql("RESET search_path")


@contextmanager
def schemas() -> Iterator[None]:
    """Make them, with all tables, and remove them in the end."""
    try:
        for name in NAMES:
            sql(f"CREATE SCHEMA {name}")
            with within(name):
                call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
        yield
    finally:
        connection.close()
        for name in NAMES:
            sql(f"DROP SCHEMA IF EXISTS {name} CASCADE")
