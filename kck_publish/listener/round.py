"""The round: what a worker looks at every POLL_INTERVAL though nobody has rung. The seat belt."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from .. import stores
from ..conf import settings
from ..following.awaited_moments import Moment
from ..following.doorbell import Doorbell
from ..log import reader
from ..postgres import Asked
from ..round_trip import answers
from .due_times import DueTimes
from .shard import OwnedShard, any_unseen

logger = logging.getLogger("kck_publish")

# A ring may be this late behind the commit that it tells of, in seconds.
RING_ON_ITS_WAY = 0.5
# In so many rounds a cursor is moved on though there is nothing to do.
MOVES = 12


class Round:
    """The rounds of one worker.

    Args:
        desk: the connection on which it looks.
        owned: the worker's shards, as they are at each moment.
        due: the timetables, which tick.
        seat_belt: happens when there is a change that nobody has rung for.
        batch: does a batch of a shard, with what is owed.
    """

    def __init__(
        self,
        desk: psycopg.Connection[Any],
        owned: Mapping[int, OwnedShard],
        due: DueTimes,
        seat_belt: Moment,
        batch: Callable[[OwnedShard], object],
    ) -> None:
        self._desk = desk
        self._owned = owned
        self._due = due
        self._seat_belt = seat_belt
        self._batch = batch
        self._at = 0.0
        self._count = 0

    @property
    def is_due(self) -> bool:
        """Whether the last one is long enough ago."""
        return time.monotonic() - self._at > settings.POLL_INTERVAL

    def finds_unrung(self, bell: Doorbell) -> bool:
        """Whether the round, which is due, would handle a change: there should be none."""
        if not (self.is_due and any_unseen(self._desk, self._owned.values())):
            return False
        if not bell.wait(RING_ON_ITS_WAY):
            self._seat_belt.happens()
            logger.warning("The seat belt found a change that nobody rang for.")
        return True

    def make(self, bell: Doorbell) -> None:
        """Prove LISTEN, move the cursors on past what is none of ours, try again what is owed."""
        self._at = time.monotonic()
        prove(bell)
        self._due.tick()
        self._count += 1
        for place in list(self._owned.values()):
            if place.owed or self._count % MOVES == 0 or self._any_added(place):
                self._batch(place)
        with self._desk.cursor() as cursor:
            stores.current().sweep(cursor)

    def _any_added(self, place: OwnedShard) -> bool:
        """Whether there is anything unseen, or readers have added what is to be adopted."""
        unseen: Asked = (reader.ANY_UNSEEN, {"since": place.done})
        lazy = stores.current().table.any_lazy_query(place.shard, place.shards)
        return any(row[0] for rows in answers(self._desk, [unseen, lazy]) for row in rows)


def prove(bell: Doorbell) -> None:
    """See that LISTEN works, and say so if it does not."""
    if not bell.prove():
        logger.error(
            "LISTEN hears nothing on this connection (a pooler?): polling. "
            "Let KCK_PUBLISH['DIRECT'] name the server itself."
        )
