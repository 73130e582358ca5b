"""The capture in the database: what the registry declares is installed, and faults are found.

``apps`` calls ``register`` so that django-pgtrigger's commands know the triggers; ``migrate``
installs after each migration; the listener calls ``install`` and ``faults`` when it starts, and
``checks`` calls ``faults``.

What no trigger can see: ATTACH PARTITION, DETACH PARTITION and DROP of a partition add and remove
rows without a write. After one, say so by hand, in the same transaction::

    INSERT INTO kck_publish_change (source, op) VALUES ('the_parent_table', 'truncate');
    NOTIFY kck_publish;

A new partition has no triggers of its own until the next ``migrate`` or start of a listener; writes
to the parent table are captured all the same.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import connections, router

from kck_publish.capture import catalog, coarse, pgtrigger_adapter, sql
from kck_publish.capture.fault import Fault, fault_of
from kck_publish.capture.locks import alone
from kck_publish.capture.source import Source, wrote_setting

_registered: dict[str, tuple[Source, list[pgtrigger_adapter.CaptureTrigger]]] = {}
_registering = threading.Lock()

# Writes may have gone by before a trigger was there (again), so everything of its source is said to
# have changed. Not when nobody has ever stored or followed anything: then nobody can be stale.
CATCH_UP = """
INSERT INTO kck_publish_change (source, op)
SELECT %s, 'truncate'
WHERE EXISTS (SELECT FROM kck_publish_shard) OR EXISTS (SELECT FROM kck_publish_entry)
"""


def register(sources: Iterable[Source]) -> None:
    """Make these the sources whose capture is installed and watched.

    Idempotent; sources that were registered earlier and are not among these are forgotten, and
    their triggers are removed by the next ``install``.

    Args:
        sources: all of them.
    """
    wanted = {one.table: one for one in sources}
    with _registering:
        for table, (source, made) in list(_registered.items()):
            if wanted.get(table) != source:
                for trigger in made:
                    pgtrigger_adapter.unregister(trigger)
                del _registered[table]
        for table, source in wanted.items():
            if table not in _registered:
                made = [pgtrigger_adapter.CaptureTrigger(source, op) for op in sql.OPS]
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
        only_missing: change and remove nothing that is there. A listener that starts says so: it
            may be one of the old code, while a deploy is on its way.

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
            cures = list(_cures(using, _registered[table][1], only_missing))
            for cure in cures:
                cursor.execute(cure.command)
                done += [f"installed {one.trigger} on {one.relation}" for one in cure.cured]
            if any(cure.missed_writes for cure in cures):
                cursor.execute(CATCH_UP, [table])
                if cursor.rowcount:
                    cursor.execute("SELECT kck_publish_announce_v1(%s)", [wrote_setting(table)])
    done += coarse.fall_back(using, soon=only_missing)
    if only_missing:
        return done
    return done + remove(using, keep=[one.compiled.sql.pgid for one in allowed])


@dataclass(frozen=True)
class _Cure:
    """The SQL that puts one trigger of a source right, and where it was not."""

    table: str
    command: str
    cured: list[catalog.Found]

    @property
    def missed_writes(self) -> bool:
        """Whether writes may have gone by; the coarse form misses none."""
        return any(one.hash != sql.COARSE or not one.enabled for one in self.cured)


def _cures(
    using: str, wanted: list[pgtrigger_adapter.CaptureTrigger], only_missing: bool
) -> Iterator[_Cure]:
    found: dict[str, list[catalog.Found]] = defaultdict(list)
    for one in catalog.find(connections[using], [trigger.wanted for trigger in wanted]):
        found[one.trigger].append(one)
    for trigger in wanted:
        hash, table = trigger.compiled.hash, trigger.source.table
        states = found[trigger.compiled.sql.pgid]
        faulty = [
            one
            for one in states
            if one.usable and (one.hash is None if only_missing else fault_of(one, hash))
        ]
        if faulty and only_missing and states[0].hash is not None:  # a partition's is missing
            command = sql.attach_sql(table, trigger.op, states[0].hash)
            yield _Cure(table, command, faulty)
        elif faulty:
            yield _Cure(table, trigger.compiled.install_sql, faulty)


def remove(using: str, keep: Iterable[str] = ()) -> list[str]:
    """Drop this project's capture triggers from one database.

    Args:
        using: the alias.
        keep: the names of triggers that stay.

    Returns:
        A line for each trigger dropped.
    """
    connection, keep, done = connections[using], set(keep), []
    drops = []
    for one in catalog.installed(connection):
        if one.trigger not in keep:
            drops.append(f"DROP TRIGGER IF EXISTS {one.trigger} ON {one.relation}")
            done.append(f"removed {one.trigger} from {one.relation}")
    for drop in drops:
        with alone(using) as cursor:
            cursor.execute(drop)
    for function in catalog.unused_functions(connection):
        with alone(using) as cursor:
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
    wanted = {one.compiled.sql.pgid: one.compiled.hash for one in _allowed(using)}
    states = catalog.find(connection, [one.wanted for one in _allowed(using)])
    return [fault for one in states if (fault := fault_of(one, wanted[one.trigger]))]


def _allowed(using: str) -> list[pgtrigger_adapter.CaptureTrigger]:
    return [
        trigger
        for source, made in _registered.values()
        if router.allow_migrate_model(using, source.model)
        for trigger in made
    ]
