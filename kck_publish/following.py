"""One shard's place in the log: its cursor, its owner's epoch, and the batches between.

A worker owns a shard through a session advisory lock. Its writes are fenced: the cursor moves
only from where the worker read it, under the epoch that it read, so a worker that was paused
while its shard moved rolls back, values and all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from django.db import connections, transaction
from psycopg import sql

from . import clock, registry, retries, stores
from .changes import ANY_UNSEEN, FIRST_UNSEEN, Decoder, unseen
from .conf import settings
from .dependents import Dependents, Work
from .exceptions import ConfigurationError, Fenced
from .products import Product
from .refresh import Refresh
from .results import Outcome
from .snapshots import NOTHING, Snapshot
from .stores import Address, Query

logger = logging.getLogger("kck_publish")

# Our own namespace of session advisory locks, one a shard.
LOCKS = 0x6B64

_WAITS = f"""
SELECT coalesce(({ANY_UNSEEN}), false)
    OR EXISTS (SELECT FROM kck_publish_failure WHERE due_at <= %(now)s
                  AND fingerprint = ANY (%(mine)s) AND bucket %% %(shards)s = %(shard)s)
"""
_CLUSTER = "SELECT system_identifier::text FROM pg_control_system()"
_EMPTY = sql.SQL("DELETE FROM {}")
_CREATE = """
INSERT INTO kck_publish_shard (shard, shards, claimed, done, cluster)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_TAKE = """
UPDATE kck_publish_shard SET epoch = epoch + 1, seen_at = clock_timestamp()
 WHERE shard = %s RETURNING done::text, epoch
"""
_CLAIM = "UPDATE kck_publish_shard SET claimed = %s WHERE shard = %s AND epoch = %s"
# Fails, and with it the transaction that it ends, when the cursor is not where we have read it.
_MOVE = """
WITH moved AS (
    UPDATE kck_publish_shard SET done = %s, seen_at = clock_timestamp()
     WHERE shard = %s AND epoch = %s AND done::text = %s RETURNING true
)
SELECT 1 / count(*) FROM moved
"""
_SPOIL = "SELECT 1 / 0"


@dataclass(frozen=True)
class Place:
    """Where a worker is in the log, and under which epoch it owns the shard."""

    shard: int
    shards: int
    done: str
    epoch: int


def take(desk: psycopg.Connection[Any], shard: int, shards: int) -> Place | None:
    """Own a shard from now on; None when another worker owns it."""
    if not _value(desk, "SELECT pg_try_advisory_lock(%s, %s)", LOCKS, shard):
        return None
    cluster = _value(desk, _CLUSTER)
    desk.execute(_CREATE, [shard, shards, NOTHING, NOTHING, cluster])
    done, epoch = desk.execute(_TAKE, [shard]).fetchone() or ("", 0)
    return Place(shard, shards, done, epoch)


def release(desk: psycopg.Connection[Any], place: Place) -> None:
    """Give the shard up."""
    desk.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCKS, place.shard])


def waits(desk: psycopg.Connection[Any], place: Place) -> bool:
    """Whether there is anything to do for a shard."""
    with desk.cursor() as cursor:
        cursor.execute(_WAITS, {
            "since": place.done, "now": clock.now(), "mine": registry.graph().fingerprints,
            "shard": place.shard, "shards": place.shards,
        })  # fmt: skip
        row = cursor.fetchone()
        return bool(row and row[0])


class BatchSession:
    """Where one batch computes (Django's connection) and writes (the desk)."""

    def __init__(self, desk: psycopg.Connection[Any], place: Place, until: str) -> None:
        self.shard = place.shard
        self.shards = place.shards
        self._desk = desk
        self._place = place
        self._until = until

    def cursor(self) -> Any:
        """A cursor that sees the latest committed state."""
        return self._desk.cursor()

    def ask(self, *queries: Query) -> list[list[Any]]:
        """The rows of several queries, for one wait."""
        cursors = [self._desk.cursor() for _ in queries]
        with self._desk.pipeline():
            for cursor, query in zip(cursors, queries, strict=True):
                cursor.execute(*query)
        return [cursor.fetchall() for cursor in cursors]

    def due_query(self) -> Query | None:
        """Asks the keys whose retry is due."""
        return retries.due_query(
            registry.graph().fingerprints, self.shard, self.shards, settings.MAX_BATCH
        )

    def any_stored(self, product: Product) -> bool:
        """Whether anything of a product is stored."""
        with self._desk.cursor() as cursor:
            return stores.current().any_stored(cursor, product.name)

    def recover(self) -> None:
        """After an error in the computing transaction: back to its start, the snapshot kept."""
        connection = connections[settings.DATABASE]
        if connection.connection is None or connection.connection.broken:
            raise psycopg.OperationalError("the computing connection is lost")
        connection.needs_rollback = False  # as an atomic(savepoint=False), a save() too, leaves it
        if connection.connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
            with connection.cursor() as cursor:
                cursor.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")

    @contextmanager
    def writing(self, last: bool) -> Iterator[Any]:
        """The write transaction: fenced, and with ``last`` moving the cursor of the log."""
        place = self._place
        until = self._until if last else place.done
        try:
            # In autocommit a pipeline is one transaction, for which we wait once.
            with self._desk.pipeline(), self._desk.cursor() as cursor:
                try:
                    yield cursor
                except BaseException:
                    cursor.execute(_SPOIL)  # else what was sent so far would be committed
                    raise
                cursor.execute(_MOVE, [until, place.shard, place.epoch, place.done])
        except psycopg.errors.DivisionByZero:
            raise Fenced(place.shard) from None


SAVEPOINT = "kck_publish_batch"


def batch(
    desk: psycopg.Connection[Any], place: Place, first: Work | None = None
) -> tuple[Place, Outcome]:
    """Handle everything committed so far that the shard has not yet seen.

    Args:
        desk: the worker's own connection, in autocommit.
        place: the shard and its cursor.
        first: work to do beside what the log says.

    Returns:
        the new place, and what was done.

    Raises:
        Fenced: the shard has moved to another worker; nothing was written.
    """
    alias = settings.DATABASE
    connection = connections[alias]
    graph = registry.graph()
    with transaction.atomic(using=alias):
        until, rows = _open(connection.connection, place.done)
        session = BatchSession(desk, place, until)
        # Claimed before anybody looks which keys are stored: see prime.
        if desk.execute(_CLAIM, [until, place.shard, place.epoch]).rowcount == 0:
            raise Fenced(place.shard)
        dependents = Dependents(
            graph, Decoder(connection, graph.sources), _owner(place), alias, session.recover,
            session.any_stored,
        )  # fmt: skip
        work = dependents.collect(unseen(connection, place.done, rows))
        _add_first(work, first)
        refresh = Refresh(graph, stores.current(), session, place.done, until, settings.MAX_BATCH)
        outcome = refresh.run(work, lambda key: dependents.request(work, key, "retry"))
    return replace(place, done=until), outcome


def _open(raw: psycopg.Connection[Any], since: str) -> tuple[str, list[Any]]:
    """Fix the batch's snapshot, and read what is new in it: one wait, on the way to the reader."""
    snapshot, rows = psycopg.Cursor(raw), psycopg.Cursor(raw)
    with raw.pipeline():
        raw.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        raw.execute(f"SAVEPOINT {SAVEPOINT}")
        snapshot.execute("SELECT pg_current_snapshot()::text")
        rows.execute(FIRST_UNSEEN, {"since": since})
    (until,) = snapshot.fetchone() or ("",)
    return until, rows.fetchall()


def agree(desk: psycopg.Connection[Any], shards: int) -> None:
    """See to it that the cursors are those of this number of shards.

    When the number has changed, every new shard starts where the last of the old ones was.

    Raises:
        ConfigurationError: when listeners with another number still run.
    """
    cluster = _value(desk, _CLUSTER)
    with desk.transaction():
        others = "SELECT EXISTS (SELECT FROM kck_publish_shard WHERE cluster <> %s)"
        if _value(desk, others, cluster):
            logger.warning(
                "The cursors are of another cluster (a restored dump?): starting anew, and "
                "everything is primed again."
            )
            for table in ("entry", "failure", "change", "shard"):
                desk.execute(_EMPTY.format(sql.Identifier(f"kck_publish_{table}")))
            return
        rows = desk.execute("SELECT shard, shards, done::text FROM kck_publish_shard").fetchall()
        if not rows or all(row[1] == shards for row in rows):
            return
        for shard in range(max(shards, *(row[1] for row in rows))):
            if not _value(desk, "SELECT pg_try_advisory_xact_lock(%s, %s)", LOCKS, shard):
                raise ConfigurationError(
                    f"SHARDS is {shards} here, and listeners with {rows[0][1]} are running: stop "
                    "them first, then start all with the same number."
                )
        oldest = min((row[2] for row in rows), key=lambda done: Snapshot.parse(done).age)
        desk.execute("DELETE FROM kck_publish_shard")
        for shard in range(shards):
            desk.execute(_CREATE, [shard, shards, oldest, oldest, cluster])


def domains(desk: psycopg.Connection[Any], place: Place) -> Work:
    """What of the eager products' domains is not stored."""
    work, owns, store = Work(), _owner(place), stores.current()
    for product in registry.graph().products.values():
        members = product.members() if product.eager else None
        if members is not None:
            with desk.cursor() as cursor:
                stored = set(store.enumerate(cursor, product.name, product.fingerprint))
            for parameters in members:
                key = product.key_of(parameters)
                if key not in stored and owns(key):
                    work.want(product, key, product.parameters_of(key), "domain")
    return work


def _owner(place: Place) -> Any:
    def owns(key: str) -> bool:
        return Address(key, "").bucket % place.shards == place.shard

    return (lambda key: True) if place.shards == 1 else owns


def _add_first(work: Work, first: Work | None) -> None:
    if first is not None:
        for name, patterns in first.whole.items():
            work.whole.setdefault(name, []).extend(patterns)
        for tasks in first.tasks.values():
            for key, task in tasks.items():
                work.want(task.product, key, task.parameters, task.reason)


def _value(desk: psycopg.Connection[Any], query: Any, *parameters: Any) -> Any:
    row = desk.execute(query, parameters).fetchone()
    return row[0] if row else None
