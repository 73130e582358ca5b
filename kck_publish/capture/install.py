"""The capture in the database: what the registry declares is installed, and faults are found.

``apps`` calls ``register`` so that django-pgtrigger's commands know the triggers; ``migrate``
installs after each migration; the listener calls ``install`` and ``faults`` when it starts, and
``checks`` calls ``faults``.

What no trigger can see is told by ``layout``. A new partition has no triggers of its own until the
next ``migrate`` or look of a listener; writes to the parent table are captured all the same.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from django.db import connections, router

from kck_publish.capture import (
    catalog,
    coarse,
    create_trigger_sql,
    layout,
    pgtrigger_adapter,
    pinned_settings,
    record_change_sql,
    trigger_function_sql,
)
from kck_publish.capture.fault import Fault, fault_of
from kck_publish.capture.locks import alone
from kck_publish.capture.source import Source

_registered: dict[str, tuple[Source, list[pgtrigger_adapter.CaptureTrigger]]] = {}
_registering = threading.Lock()


def register(sources: Iterable[Source]) -> None:
    """Make these the sources whose capture is installed and watched.

    Idempotent; sources that were registered earlier and are not among these are forgotten, and
    their triggers are removed by the next ``install``.

    Args:
        sources: all of them.
    """
    wanted = {source.table: source for source in sources}
    with _registering:
        for table, (source, made) in list(_registered.items()):
            if wanted.get(table) != source:
                for trigger in made:
                    pgtrigger_adapter.unregister(trigger)
                del _registered[table]
        for table, source in wanted.items():
            if table not in _registered:
                made = [
                    pgtrigger_adapter.CaptureTrigger(source, op) for op in record_change_sql.OPS
                ]
                for trigger in made:
                    pgtrigger_adapter.register(trigger)
                _registered[table] = source, made


def install(using: str, sources: Iterable[Source], *, only_missing: bool = False) -> list[str]:
    """Bring the triggers of one database up to date, and remove those of former sources.

    Does nothing where the change log is not, and leaves alone a table that does not exist or does
    not have all columns yet. A function that names a column that is gone becomes coarse.

    Args:
        using: the alias.
        sources: what is to be captured.
        only_missing: change and remove nothing that is there, but what fires for some sessions
            only. A listener says so: it may be one of the old code, while a deploy is on its way.

    Returns:
        A line for each thing done, for the operator; empty when all was in order.
    """
    connection = connections[using]
    if not catalog.has_log(connection):
        return []
    register(sources)
    allowed, done = _allowed(using), []
    for table in dict.fromkeys(cure.table for cure in _cures(using, allowed, only_missing)):
        with alone(using, soon=only_missing) as cursor:
            # Whoever else is installing may have done it while we waited.
            source, triggers = _registered[table]
            cures = list(_cures(using, triggers, only_missing))
            unseen = layout.is_unseen(cursor, source) or any(cure.is_newer for cure in cures)
            for cure in cures:
                cursor.execute(cure.command)
                done += [f"installed {found.trigger} on {found.relation}" for found in cure.cured]
            layout.keep(cursor, source, announce=unseen)
    allowed_sources = dict.fromkeys(trigger.source for trigger in allowed)
    done += layout.announce_unseen(using, allowed_sources, soon=only_missing)
    done += coarse.fall_back(using, soon=only_missing)
    done += pinned_settings.pin_missing(using, catalog.OUR_NAMES, soon=only_missing)
    wanted = None if only_missing else {trigger.compiled.sql.pgid for trigger in allowed}
    return done + remove(using, wanted, soon=only_missing)


@dataclass(frozen=True)
class _Cure:
    """The SQL that puts one trigger of a source right, and where it was not."""

    table: str
    command: str
    cured: list[catalog.Found]

    @property
    def is_newer(self) -> bool:
        """Whether an older form was there, which may have missed what now counts."""
        return any(
            found.hash not in (None, record_change_sql.COARSE) or found.by_row < found.subscribed
            for found in self.cured
        )


def _cures(
    using: str, wanted: list[pgtrigger_adapter.CaptureTrigger], only_missing: bool
) -> Iterator[_Cure]:
    found: dict[str, list[catalog.Found]] = defaultdict(list)
    for state in catalog.find(connections[using], [trigger.wanted for trigger in wanted]):
        found[state.trigger].append(state)
    for trigger in wanted:
        hash, table = trigger.compiled.hash, trigger.source.table
        states = found[trigger.compiled.sql.pgid]
        faulty = [
            state
            for state in states
            if state.usable
            and (
                _is_missing(state, hash)
                if only_missing
                else fault_of(state, hash) or _is_extra(state)
            )
        ]
        if only_missing and faulty and all(state.half_enabled for state in faulty):
            yield _Cure(table, trigger.compiled.enable_sql, faulty)
        elif faulty and only_missing and states[0].hash is not None:  # a partition's is missing
            command = create_trigger_sql.attach_sql(table, trigger.op, states[0].hash)
            # One that is coarse is perhaps of older code, which knew no row triggers.
            if states[0].hash == record_change_sql.COARSE:
                body = record_change_sql.coarse_body(table, trigger.op)
                command = trigger_function_sql.function_sql(table, trigger.op, body) + command
            yield _Cure(table, command, faulty)
        elif faulty:
            yield _Cure(table, trigger.compiled.install_sql, faulty)


def _is_missing(found: catalog.Found, hash: str) -> bool:
    by_statement = (
        found.subscribed and not found.by_row and found.hash in (hash, record_change_sql.COARSE)
    )
    return found.hash is None or found.half_enabled or by_statement


def _is_extra(found: catalog.Found) -> bool:
    """Whether it is a row trigger where no subscription writes any more."""
    return found.by_row and not found.subscribed


def remove(using: str, wanted: Collection[str] | None = (), soon: bool = False) -> list[str]:
    """Drop this project's capture triggers from one database.

    Args:
        using: the alias.
        wanted: the names of triggers that stay, but on detached partitions; None for all.
        soon: wait for no lock for long.

    Returns:
        A line for each trigger dropped.
    """
    connection, done = connections[using], []
    for trigger in catalog.installed(connection):
        if trigger.detached or (wanted is not None and trigger.trigger not in wanted):
            with alone(using, soon) as cursor:
                cursor.execute(f"DROP TRIGGER IF EXISTS {trigger.trigger} ON {trigger.relation}")
            done.append(f"removed {trigger.trigger} from {trigger.relation}")
    for function in catalog.unused_functions(connection) if wanted is not None else ():
        with alone(using, soon) as cursor:
            cursor.execute(f"DROP FUNCTION IF EXISTS {function}")
    return done


def faults(using: str, sources: Iterable[Source]) -> list[Fault]:
    """The triggers of one database that are missing, disabled or outdated.

    Empty where the change log is not, or not PostgreSQL; tables that do not exist are passed over.
    """
    connection = connections[using]
    if not catalog.has_log(connection):
        return []
    register(sources)
    wanted = {trigger.compiled.sql.pgid: trigger.compiled.hash for trigger in _allowed(using)}
    states = catalog.find(connection, [trigger.wanted for trigger in _allowed(using)])
    return [fault for state in states if (fault := fault_of(state, wanted[state.trigger]))]


def _allowed(using: str) -> list[pgtrigger_adapter.CaptureTrigger]:
    return [
        trigger
        for source, made in _registered.values()
        if router.allow_migrate_model(using, source.model)
        for trigger in made
    ]
