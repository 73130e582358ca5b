"""The capture triggers as django-pgtrigger sees them: four triggers a source.

``install`` makes them from the registry's sources and puts them into django-pgtrigger's registry,
so that ``manage.py pgtrigger ls``, ``install``, ``disable`` and ``enable`` know them. They are kept
out of every model's Meta: no migration ever mentions them, so models of any app can be sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import pgtrigger
from django.db import DEFAULT_DB_ALIAS, connections
from pgtrigger import compiler, core, registry, runtime

from kck_publish.capture import catalog, create_trigger_sql, layout, row_sql, trigger_function_sql
from kck_publish.capture.locks import alone
from kck_publish.capture.source import Source

OPERATIONS = {
    "insert": pgtrigger.Insert,
    "update": pgtrigger.Update,
    "delete": pgtrigger.Delete,
    "truncate": pgtrigger.Truncate,
}


class CaptureSql(compiler.UpsertTriggerSql):
    """The installing SQL of one trigger.

    Not made of pgtrigger's template, whose function obeys ``pgtrigger.ignore()``: a caller of that
    means the project's own triggers, and our change would be lost.
    """

    def __init__(self, source: Source, op: str) -> None:
        self.kwargs: dict[str, str] = {}
        self.defaults: dict[str, str] = {}
        self.pgid = trigger_function_sql.trigger_name(op, source.table)
        self.table = source.table
        self.hash = trigger_function_sql.digest(create_trigger_sql.install_sql(source, op, ""))
        self.data = create_trigger_sql.install_sql(source, op, self.hash)


class CompiledCapture(compiler.Trigger):
    """The commands on one trigger; each includes the table's partitions."""

    def _each(self, before: str, after: str = "") -> str:
        return create_trigger_sql.on_trigger(self.sql.table, self.sql.pgid, (before, after))

    @property
    def uninstall_sql(self) -> str:
        return self._each(f"DROP TRIGGER IF EXISTS {self.sql.pgid} ON ")

    @property
    def enable_sql(self) -> str:
        """ALWAYS, so that ``session_replication_role = replica`` does not silence it."""
        return self._each("ALTER TABLE ", f" ENABLE ALWAYS TRIGGER {self.sql.pgid}")

    @property
    def disable_sql(self) -> str:
        return self._each("ALTER TABLE ", f" DISABLE TRIGGER {self.sql.pgid}")


class CaptureTrigger(pgtrigger.Trigger):
    """One operation of one source."""

    level = pgtrigger.Statement
    when = pgtrigger.After

    def __init__(self, source: Source, op: str) -> None:
        self.source = source
        self.op = op
        super().__init__(name=f"kck_publish_{op}", operation=OPERATIONS[op])

    @cached_property
    def compiled(self) -> CompiledCapture:
        """The SQL, made once."""
        return CompiledCapture(name=self.name, sql=CaptureSql(self.source, self.op))

    @property
    def wanted(self) -> catalog.Wanted:
        """The trigger that should be found in the database."""
        columns = dict.fromkeys((*self.source.captured, *(self.source.watched or ())))
        unseen = row_sql.virtual_columns(self.source)
        return catalog.Wanted(
            table=self.source.table,
            trigger=self.compiled.sql.pgid,
            hash=self.compiled.hash,
            columns=tuple(column for column in columns if column not in unseen),
        )

    def compile(self, model: Any) -> CompiledCapture:
        return self.compiled

    def get_pgid(self, model: Any) -> str:
        """Named by the table, with a hash long enough for any number of sources."""
        return self.compiled.sql.pgid

    def allow_migrate(self, model: Any, database: str | None = None) -> bool:
        """Also False where it could not work, so that ``pgtrigger install`` does no harm.

        That is where the change log is missing, or the table, or one of its columns.
        """
        alias = database or DEFAULT_DB_ALIAS
        return (
            super().allow_migrate(model, database=alias)
            and catalog.has_log(connections[alias])
            and all(state.usable for state in self._found(alias))
        )

    def get_installation_status(
        self, model: Any, database: str | None = None
    ) -> tuple[str, bool | None]:
        """As pgtrigger's own, over the table and its partitions, and for ENABLE ALWAYS."""
        alias = database or DEFAULT_DB_ALIAS
        if not self.allow_migrate(model, database=alias):
            return core.UNALLOWED, None
        states = self._found(alias)
        if not states or any(state.hash is None for state in states):
            return core.UNINSTALLED, None
        hash = self.compiled.hash
        current = all(state.hash == hash and state.by_row >= state.subscribed for state in states)
        return core.INSTALLED if current else core.OUTDATED, all(state.enabled for state in states)

    def install(self, model: Any, database: str | None = None) -> Any:
        """Announces the source, too, if the trigger was not there as it should be."""
        installed = self.get_installation_status(model, database) == (core.INSTALLED, True)
        with self._announcing(database, unseen=not installed):
            return super().install(model, database=database)

    def enable(self, model: Any, database: str | None = None) -> Any:
        """Announces the source, too, if the trigger was disabled: writes may have gone by."""
        with self._announcing(database):
            return super().enable(model, database=database)

    @contextmanager
    def _announcing(self, database: str | None, unseen: bool = False) -> Iterator[None]:
        alias = database or DEFAULT_DB_ALIAS
        if not catalog.has_log(connections[alias]):
            yield
            return
        with alone(alias) as cursor:
            unseen |= layout.is_unseen(cursor, self.source)
            yield
            layout.keep(cursor, self.source, announce=unseen)

    def _found(self, alias: str) -> list[catalog.Found]:
        return catalog.find(connections[alias], [self.wanted])


@contextmanager
def _meta_without(trigger: CaptureTrigger, present: bool) -> Iterator[None]:
    """Let pgtrigger's registry edit the model's Meta, and put back what was there.

    Args:
        trigger: the trigger being registered or unregistered.
        present: whether the registry expects to find the trigger in Meta.
    """
    meta: Any = trigger.source.model._meta
    kept = meta.__dict__.get("triggers"), meta.original_attrs.get("triggers")
    if present:
        meta.triggers = [*(kept[0] or ()), trigger]
        meta.original_attrs["triggers"] = [*(kept[1] or ()), trigger]
    try:
        yield
    finally:
        for place, value in ((meta.__dict__, kept[0]), (meta.original_attrs, kept[1])):
            if value is None:
                place.pop("triggers", None)
            else:
                place["triggers"] = value


def register(trigger: CaptureTrigger) -> None:
    """Make the trigger known to django-pgtrigger, and to nobody's migrations."""
    model: Any = trigger.source.model  # pgtrigger's annotations mean the class, and say Model
    vars(runtime)["registry"] = ProjectsTriggers()
    with _meta_without(trigger, present=False):
        registry.set(trigger.get_uri(model), model=model, trigger=trigger)


class ProjectsTriggers:
    """pgtrigger's registry as its ``runtime`` sees it: without ours, where none is named.

    ``pgtrigger.constraints()`` without URIs defers all triggers that there are, and refuses when
    one of them cannot be deferred. The commands of pgtrigger know ours.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(registry, name)

    def registered(self, *uris: str) -> list[tuple[Any, pgtrigger.Trigger]]:
        """As pgtrigger's own; without URIs those of the project.

        Where the project has none: ours, as ``pgtrigger.ignore()`` fails on no trigger at all.
        """
        found = registry.registered(*uris)
        if uris:
            return found
        return [each for each in found if not isinstance(each[1], CaptureTrigger)] or found


def unregister(trigger: CaptureTrigger) -> None:
    """Undo ``register``."""
    model: Any = trigger.source.model
    with _meta_without(trigger, present=True):
        registry.delete(trigger.get_uri(model))
