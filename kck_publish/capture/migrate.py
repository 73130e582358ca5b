"""Keeps the capture right while ``migrate`` runs: connected to its signals by ``apps``.

Before: the capture functions name columns, and a column may be about to go or change its name;
from then on until the functions are replaced, every write (of a data migration, of live traffic)
would fail. So the functions of the tables concerned are first replaced by the coarse form. After:
the precise ones are installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from django.apps.registry import Apps
from django.db import connections, models, transaction
from django.db.migrations import operations as ops
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.models.signals import post_migrate, pre_migrate

from kck_publish.capture import catalog, install

from .coarse import make_coarse
from .make_tables import make_missing
from .source import Source

Plan = Sequence[tuple[Migration, bool]]

#: Operations that, run forwards, take no column away.
HARMLESS = (
    ops.AddConstraint,
    ops.AddField,
    ops.AddIndex,
    ops.AlterModelManagers,
    ops.AlterModelOptions,
    ops.CreateModel,
    ops.RemoveConstraint,
    ops.RemoveIndex,
    ops.RenameIndex,
)


def connect(sender: object, sources: Callable[[], list[Source]]) -> None:
    """Connect the handlers.

    Args:
        sources: gives what is to be captured, as it is declared then.
        sender: the library's AppConfig; Django sends both signals once an app, and this makes it
            once a ``migrate``.
    """
    pre_migrate.connect(before, sender=sender, dispatch_uid="kck_publish.before")
    post_migrate.connect(
        partial(after, sources=sources), sender=sender, dispatch_uid="kck_publish.after", weak=False
    )


def before(using: str, plan: Plan = (), apps: Apps | None = None, **kwargs: Any) -> None:
    """Make coarse what the plan may break; remove everything if our own tables are to go."""
    make_missing(using)
    connection = connections[using]
    if not plan or apps is None or not catalog.has_log(connection):
        return
    if any(backwards and migration.app_label == "kck_publish" for migration, backwards in plan):
        install.remove(using)
        return
    named = names_by_table(apps)
    for trigger in catalog.installed(connection):
        if trigger.op != "truncate" and touched(plan, trigger.table, named.get(trigger.table, [])):
            with transaction.atomic(using), connection.cursor() as cursor:
                make_coarse(cursor, trigger)


def after(using: str, sources: Callable[[], list[Source]], **kwargs: Any) -> None:
    """Install what is missing or outdated; one catalogue query when nothing is."""
    install.install(using, sources())


def names_by_table(apps: Apps) -> dict[str, list[tuple[str, str]]]:
    """Table names of all models to the (app label, name) whose operations can change the table."""
    found: dict[str, list[tuple[str, str]]] = {}
    for model in apps.get_models(include_auto_created=True):
        concerned: list[type[models.Model]] = [model]
        if model._meta.auto_created:  # its columns are named after the models that it joins
            concerned = [
                field.related_model
                for field in model._meta.local_concrete_fields
                if isinstance(field.related_model, type)
            ]
        found[model._meta.db_table] = [(m._meta.app_label, m.__name__) for m in concerned]
    return found


def touched(plan: Plan, table: str, names: list[tuple[str, str]]) -> bool:
    """Whether the plan may take a column of the table away, or rename one. If in doubt, yes."""
    for migration, backwards in plan:
        for operation in flattened(migration.operations):
            if isinstance(operation, ops.RunPython):
                continue
            if isinstance(operation, ops.RunSQL):
                text = f"{operation.sql} {operation.reverse_sql}".lower()
                if table.strip('"').split('"')[-1].lower() in text:
                    return True
            elif (backwards or not isinstance(operation, HARMLESS)) and any(
                operation.references_model(name, label) for label, name in names
            ):
                return True
    return False


def flattened(operations: Sequence[Operation]) -> Iterator[Operation]:
    """The operations that reach the database, in order."""
    for operation in operations:
        if isinstance(operation, ops.SeparateDatabaseAndState):
            yield from flattened(operation.database_operations)
        else:
            yield operation
