"""Makes the library's own tables where a project's tables are made without migrations.

That is where tests run without (``pytest --nomigrations``, ``TEST = {"MIGRATE": False}``), or where
``MIGRATION_MODULES`` leaves the library out. Django would then make tables from the models, which
know nothing of defaults, functions and triggers.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.state import ProjectState

from . import catalog

APP = "kck_publish"
MIGRATIONS = f"{APP}.migrations"


def make_missing(alias: str) -> None:
    """Make them all, as the migrations would, before ``migrate`` looks which tables are missing."""
    connection = connections[alias]
    if connection.vendor != "postgresql" or catalog.has_log(connection):
        return
    if APP not in MigrationLoader(connection).unmigrated_apps:
        return
    state = ProjectState()
    with connection.schema_editor() as editor:
        for migration in _own():
            state = migration.apply(state, editor)


def _own() -> list[Migration]:
    folder = Path(__file__).parents[1] / "migrations"
    names = sorted(name for _, name, _ in iter_modules([str(folder)]) if name[0].isdigit())
    return [import_module(f"{MIGRATIONS}.{name}").Migration(name, APP) for name in names]
