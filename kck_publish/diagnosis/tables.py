"""The library's own tables, and the triggers on those of the sources.

Warnings, because an error would stop ``migrate``, which is their cure. (The listener does not start
with them.) ``check --database default --fail-level WARNING`` fails a deploy.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import connections, router

from ..capture import install
from ..conf import settings
from ..exceptions import StoreMissing
from ..products import registry
from .registry import Asks, Problem, diagnosis


@diagnosis("tables", Asks.DATABASE, cured_by_migrate=True)
def missing_tables(alias: str) -> Iterator[Problem]:
    """The library's own tables that are not there."""
    if alias != settings.DATABASE:
        return
    there = set(connections[alias].introspection.table_names())
    for model in apps.get_app_config("kck_publish").get_models():
        if model._meta.db_table not in there and router.allow_migrate_model(alias, model):
            yield Problem("W005", str(StoreMissing(model._meta.db_table, alias)))


@diagnosis("triggers", Asks.DATABASE, cured_by_migrate=True)
def faulty_triggers(alias: str) -> Iterator[Problem]:
    """Triggers that are missing, disabled or outdated, or not fired by who writes the table."""
    for fault in install.faults(alias, registry.sources()):
        yield Problem("W003", str(fault))
