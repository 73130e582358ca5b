"""The connections of one batch: one computes, the other writes; and their fence.

The cursor moves only from where the worker read it, under the epoch that it read, so a worker that
was paused while its shard moved rolls back, values and all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import stores
from ..conf import settings
from ..exceptions import Fenced
from ..postgres import Cursor
from ..refresh import backlog, failures
from ..refresh.backlog import Deferred
from ..refresh.failures import Failure, Try
from ..refresh.lost_connections import Losses
from ..refresh.session import Session
from ..round_trip import together
from ..stores import Address, Query, Written, edges
from .claim import Claim

logger = logging.getLogger(__name__)

T = TypeVar("T")
# Is told the keys whose entries were changed, and what gives those that were written.
Tell = Callable[[Sequence[str], Written], None]

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
# How long a batch waits for somebody who has locked the table of the failures.
RECORD_TIMEOUT = "200ms"


class BatchSession(Session):
    """The connections of one batch: Django's computes, the desk writes.

    Args:
        claim: on what is read, and the desk.
        connection: Django's, in the batch's transaction.
        at: when its snapshot was taken.
        breathe: gives a sign of life, if one is due.
        part: of the backlog, of which the batch takes a page along.
        stored: is told of the entries that were just changed.
        losses: of the connection, by key.
    """

    def __init__(
        self,
        claim: Claim,
        connection: BaseDatabaseWrapper,
        at: datetime,
        breathe: Callable[..., None],
        part: Deferred | None,
        stored: Tell,
        losses: Losses | None,
    ) -> None:
        place = claim.place
        super().__init__(connection, place.shard, place.shards, place.fence, place.owed, losses)
        self._breathe = breathe
        self._tell_stored = stored
        self._claim = claim
        self._place = place
        self._until = claim.until
        self._at = at
        self._part = part
        self._at_last: list[Query] = []
        # Whether a failure could not be written down, or not forgotten.
        self.has_unwritten = False

    def breathe(self, seconds: float = 0.0) -> None:
        self._breathe(seconds)

    def stored(self, keys: Sequence[str], written: Written) -> None:
        self._tell_stored(keys, written)

    def cursor(self) -> Cursor:
        return self._claim.desk.cursor()

    def ask(self, *queries: Query) -> list[list[Any]]:
        return self._claim.ask(*queries)

    def readers(self, keys: Iterable[str]) -> list[tuple[str, str]]:
        (pairs,) = self.ask(edges.readers_query(keys))
        return pairs

    def at_last(self, *queries: Query) -> None:
        """Run these with the last write of the batch."""
        self._at_last += queries

    @property
    def puts_aside(self) -> bool:
        """Whether the backlog will be another one after the batch."""
        return bool(self._at_last)

    def locked(self, addresses: Sequence[Address]) -> set[str]:
        with self.cursor() as cursor:
            return stores.current().table.locked(cursor, addresses)

    @property
    def due_by(self) -> datetime:
        return self._place.due_by

    def any_room(self, keys: int) -> bool:
        return keys <= settings.MAX_CHANGES

    def defer(self, product: str) -> None:
        since = self._part.since if self._part else self._place.done
        self.at_last(
            backlog.put_aside_stored(
                self._place.backlog, self._part, self.shard, product, since, self._until
            )
        )

    @contextmanager
    def writing(self, last: bool) -> Iterator[Cursor]:
        """The write transaction: fenced, and with ``last`` moving the cursor of the log."""
        place = self._place
        until, at = (self._until, self._at) if last else (place.done, None)
        try:
            with together(self._claim.desk) as cursor:
                yield cursor
                for query in self._at_last if last else ():
                    cursor.execute(*query)
                cursor.execute(
                    _MOVE, [until, sorted(self.owed), at, place.shard, place.epoch, place.done]
                )
        except psycopg.errors.DivisionByZero:
            raise Fenced(place.shard) from None

    def record(self, failed: Sequence[Failure]) -> Mapping[str, Try]:
        """Keep that these failed; what cannot be kept is owed, and stops nothing else."""
        keys = {failure.address.key for failure in failed}
        tries = self._written(lambda cursor: failures.record(cursor, failed), keys)
        self.owed = self.owed | keys if tries is None else self.owed - keys
        return tries or {}

    def forget(self, settled: Sequence[Address]) -> None:
        keys = {address.key for address in settled}
        self._written(lambda cursor: failures.forget(cursor, settled), keys)

    def _written(self, write: Callable[[Cursor], T], keys: set[str]) -> T | None:
        """The result of a fenced transaction of its own; None: it could not be written."""
        desk = self._claim.desk
        try:
            with together(desk) as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [RECORD_TIMEOUT])
                cursor.execute(_OURS, [self.shard, self._place.epoch])
                return write(cursor)
        except psycopg.errors.DivisionByZero:
            raise Fenced(self.shard) from None
        except psycopg.Error as error:
            if desk.broken:
                raise
            logger.error(
                "What failed cannot be written (%s): tried again later. Keys: %s",
                type(error).__name__,
                ", ".join(sorted(keys)[:10]),
            )
            self.has_unwritten = True
            return None
