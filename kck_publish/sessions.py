"""Where one batch of the listener computes, and where it writes: two connections, one fence.

The cursor moves only from where the worker read it, under the epoch that it read, so a worker that
was paused while its shard moved rolls back, values and all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections

from . import registry, retries, stores
from .conf import settings
from .exceptions import Fenced
from .places import Place
from .products import Product
from .stores import Query

SAVEPOINT = "kck_publish_batch"

# Fails, and with it the transaction that it ends, when the cursor is not where we have read it.
_MOVE = """
WITH moved AS (
    UPDATE kck_publish_shard SET done = %s, seen_at = clock_timestamp()
     WHERE shard = %s AND epoch = %s AND done::text = %s RETURNING true
)
SELECT 1 / count(*) FROM moved
"""
_SPOIL = "SELECT 1 / 0"


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
