"""Where one batch of the listener computes, and where it writes: two connections, one fence.

The cursor moves only from where the worker read it, under the epoch that it read, so a worker that
was paused while its shard moved rolls back, values and all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
from django.db import connections

from .. import stores
from ..conf import settings
from ..exceptions import Fenced
from ..log.reader import Row
from ..postgres import Cursor
from ..products import registry
from ..products.product import Product
from ..refresh import backlog
from ..refresh import failures as refresh_failures
from ..refresh.backlog import Deferred
from ..stores import Address, Fence, Query, edges
from .shard import Place, owner

logger = logging.getLogger("kck_publish")

SAVEPOINT = "kck_publish_batch"

# Fails, and with it the transaction that it ends, when the cursor is not where we have read it.
_MOVE = """
WITH moved AS (
    UPDATE kck_publish_shard SET done = %s, seen_at = clock_timestamp(), owed = %s,
           caught_up_at = coalesce(%s, caught_up_at)
     WHERE shard = %s AND epoch = %s AND done::text = %s RETURNING true
)
SELECT 1 / count(*) FROM moved
"""
_OURS = """
WITH ours AS (SELECT FROM kck_publish_shard WHERE shard = %s AND epoch = %s FOR UPDATE)
SELECT 1 / count(*) FROM ours
"""
_SPOIL = "SELECT 1 / 0"
# How long a batch waits for somebody who has locked the table of the failures.
RECORD_TIMEOUT = "200ms"


class BatchSession:
    """Where one batch computes (Django's connection) and writes (the desk).

    Args:
        desk: the worker's own connection, in autocommit.
        place: the shard and its cursor.
        until: the batch's snapshot.
        at: when that was taken.
        breathe: gives a sign of life, if one is due.
        part: of the backlog, of which the batch takes a page along.
        stored: is told the keys of the entries that were just written.
    """

    def __init__(
        self,
        desk: psycopg.Connection[Any],
        place: Place,
        until: str,
        at: datetime,
        breathe: Callable[..., None],
        part: Deferred | None,
        stored: Callable[[Sequence[str]], None],
    ) -> None:
        self.breathe = breathe
        self.stored = stored
        self.shard = place.shard
        self.shards = place.shards
        self.owed = set(place.owed)
        self._at = at
        self.fence: Fence | None = place.fence
        self._desk = desk
        self._place = place
        self._until = until
        self._part = part
        self._at_last: list[Query] = []
        self.owns = owner(place)

    def breathing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, with a sign of life between them, if one is due."""
        for row in rows:
            yield row
            self.breathe()  # which keys depend on it may have cost the user's code some queries

    def cursor(self) -> Cursor:
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
        return refresh_failures.due_query(
            registry.graph().fingerprints, self.shard, self.shards, settings.MAX_BATCH
        )

    def at_last(self, *queries: Query) -> None:
        """Run these with the last write of the batch."""
        self._at_last += queries

    @property
    def puts_aside(self) -> bool:
        """Whether the backlog will be another one after the batch."""
        return bool(self._at_last)

    def any_room(self, keys: int) -> bool:
        """Whether a batch has room for so many stored keys of a product that is touched whole."""
        return keys <= settings.MAX_CHANGES

    def defer(self, product: str) -> None:
        """Have the stored keys of a product handled by later batches."""
        since = self._part.since if self._part else self._place.done
        self.at_last(
            backlog.put_aside_stored(
                self._place.backlog, self._part, self.shard, product, since, self._until
            )
        )

    def any_stored(self, product: Product) -> bool:
        """Whether anything of a product is stored."""
        with self._desk.cursor() as cursor:
            return stores.current().any_stored(cursor, product.name)

    def readers(self, keys: Iterable[str]) -> list[tuple[str, str]]:
        """Which keys were computed from these."""
        with self._desk.cursor() as cursor:
            return edges.readers(cursor, keys)

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
    def writing(self, last: bool) -> Iterator[Cursor]:
        """The write transaction: fenced, and with ``last`` moving the cursor of the log."""
        place = self._place
        until, at = (self._until, self._at) if last else (place.done, None)
        try:
            # In autocommit a pipeline is one transaction, for which we wait once.
            with self._desk.pipeline(), self._desk.cursor() as cursor:
                try:
                    yield cursor
                except BaseException:
                    cursor.execute(_SPOIL)  # else what was sent so far would be committed
                    raise
                for query in self._at_last if last else ():
                    cursor.execute(*query)
                cursor.execute(
                    _MOVE, [until, sorted(self.owed), at, place.shard, place.epoch, place.done]
                )
        except psycopg.errors.DivisionByZero:
            raise Fenced(place.shard) from None

    def record(self, failures: Sequence[refresh_failures.Failure]) -> None:
        """Keep that these failed; what cannot be kept is owed, and stops nothing else."""
        keys = {one.address.key for one in failures}
        if self._written(lambda cursor: refresh_failures.record(cursor, failures), keys):
            self.owed -= keys
        else:
            self.owed |= keys

    def forget(self, settled: Sequence[Address]) -> None:
        """These are no failures any more; if that cannot be written, they are tried once more."""
        self._written(
            lambda cursor: refresh_failures.forget(cursor, settled), {one.key for one in settled}
        )

    def _written(self, write: Callable[[Any], object], keys: set[str]) -> bool:
        try:
            with self._desk.pipeline(), self._desk.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [RECORD_TIMEOUT])
                cursor.execute(_OURS, [self.shard, self._place.epoch])
                write(cursor)
        except psycopg.errors.DivisionByZero:
            raise Fenced(self.shard) from None
        except psycopg.Error as error:
            if self._desk.broken:
                raise
            logger.error(
                "What failed cannot be written (%s): tried again later. Keys: %s",
                type(error).__name__,
                ", ".join(sorted(keys)[:10]),
            )
            return False
        return True
