"""What a listener does beside its batches: signs of life, trimming, the background audit.

Done at each beat, in portions that are short enough for the batches to wait for.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import psycopg

from ..conf import settings
from ..log import reader
from ..log.consumers import forget_silent
from ..log.reader import ANY_UNSEEN
from ..log.trim import TRIMMED, Trimming
from ..ops.background_audit import Auditing
from ..postgres import Cursor
from ..primers import remote
from ..stores.near import journal
from .shard import Place

logger = logging.getLogger("kck_publish")

# Of each beat, seconds for trimming: while nothing waits, and at least.
TRIM_IDLE, TRIM_BUSY = 0.5, 0.1

# A near store whose follower is silent for so long, in seconds, begins anew; or for RETENTION.
LONG_SILENCE = 60.0

# Seconds between two looks for what sources have said of values that are gone.
FETCHES = 600.0

# Nothing is unhandled that was committed before this statement began: it sees all of that.
_CAUGHT_UP = f"""
UPDATE kck_publish_shard SET caught_up_at = statement_timestamp(), seen_at = clock_timestamp()
 WHERE shard = %(shard)s AND epoch = %(epoch)s AND done::text = %(since)s AND NOT ({ANY_UNSEEN})
"""
_ALIVE = "UPDATE kck_publish_shard SET seen_at = clock_timestamp() WHERE shard = %s AND epoch = %s"


class Housekeeping:
    """One listener's duties. The owner of the first shard trims and audits, for all.

    Args:
        desk: the connection that the listener writes on.
        places: the shards that it owns.
    """

    def __init__(self, desk: psycopg.Connection[Any], places: dict[int, Place]) -> None:
        self._desk = desk
        self._places = places
        self._trimming = Trimming(settings.RETENTION.total_seconds())
        self.auditing: Auditing | None = None
        self._fetches = float("-inf")

    def beat(self) -> None:
        """Do what is due."""
        for place in self._places.values():
            self._say_how_far(place)
        if 0 in self._places:
            self._forget()
            self._trim()
        self._audit()

    def _say_how_far(self, place: Place) -> None:
        with self._desk.cursor() as cursor:
            parameters = {"shard": place.shard, "epoch": place.epoch, "since": place.done}
            cursor.execute(_CAUGHT_UP, parameters)
            if cursor.rowcount == 0:
                cursor.execute(_ALIVE, [place.shard, place.epoch])

    def _trim(self) -> None:
        start = time.monotonic()
        with self._desk.cursor() as cursor:
            journal.trim(cursor, max(LONG_SILENCE, settings.RETENTION.total_seconds()))
        with self._desk.cursor() as cursor:
            while self._trimming.trim(cursor) == TRIMMED:
                took = time.monotonic() - start
                if took > TRIM_IDLE or (took > TRIM_BUSY and self._waits(cursor)):
                    break

    def _forget(self) -> None:
        if settings.FORGET_AFTER is not None:
            with self._desk.cursor() as cursor:
                for name in forget_silent(cursor, settings.FORGET_AFTER.total_seconds()):
                    logger.warning("Consumer %s was silent for too long: forgotten.", name)
        if (moment := time.monotonic()) - self._fetches > FETCHES:
            self._fetches = moment
            with self._desk.cursor() as cursor:
                remote.forget_gone(cursor, settings.RETENTION.total_seconds())

    def _waits(self, cursor: Cursor) -> bool:
        return any(reader.any_unseen(cursor, place.done) for place in self._places.values())

    def _audit(self) -> None:
        wanted = settings.AUDIT is not None and 0 in self._places
        if wanted and self.auditing is None:
            self.auditing = Auditing()
            self.auditing.start()
        elif not wanted and self.auditing is not None:
            self.auditing.stop()
            self.auditing = None

    @property
    def audited(self) -> tuple[int, int]:
        """How many keys were compared in the background, and how many of them differed."""
        if self.auditing is None:
            return 0, 0
        return self.auditing.compared, self.auditing.differing

    def close(self) -> None:
        """End what runs in the background."""
        if self.auditing is not None:
            self.auditing.stop()
            self.auditing = None
