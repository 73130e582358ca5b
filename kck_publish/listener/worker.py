"""What a listener does while it is connected: batches of its shards, signs of life, the rounds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg

from .. import stores
from ..clock import now
from ..conf import settings
from ..exceptions import Fenced
from ..following.capture import CaptureWatch
from ..following.doorbell import Doorbell
from ..following.loop import BEAT
from ..following.moments import Moments
from ..following.process import Stopping
from ..log import reader
from ..log.snapshot import Snapshot, take
from ..products import registry
from ..refresh import failures, schedule
from ..refresh.losses import Losses
from ..refresh.outcome import Outcome
from . import batch, shard
from .assignment import Assignment
from .maintenance import Maintenance
from .pause import patience
from .shard import OwnedShard

logger = logging.getLogger("kck_publish")

# A ring may be this late behind the commit that it tells of, in seconds.
RING_ON_ITS_WAY = 0.5
# Told to stop, a batch may go on for so long, in seconds, before it is given up between two keys.
GRACE = 1.0

_HANDLED = """
SELECT shard, done::text, EXISTS (SELECT FROM kck_publish_backlog b WHERE b.shard = s.shard)
  FROM kck_publish_shard s
"""


class Worker:
    """One listener's work on one connection.

    Args:
        desk: the connection that it writes on, and that holds the shards' locks.
        owned: the shards that it owns; changed here.
        most: how many to own at the most; None for all that are free.
        stopped: set when it is to end.
        moments: what others may wait for.
        stored: is told the keys of the entries that were just written.
        watch: looks at the capture.
        losses: of the connection, by key.
    """

    def __init__(
        self,
        desk: psycopg.Connection[Any],
        owned: dict[int, OwnedShard],
        most: int | None,
        stopped: threading.Event,
        moments: Moments,
        stored: Callable[[Sequence[str]], None],
        watch: CaptureWatch,
        losses: Losses,
    ) -> None:
        self.desk = desk
        self.owned = owned
        self.bell: Doorbell | None = None  # without one it drains once, and gives no sign of life
        self.tick_at: datetime | None = schedule.tick()
        self._stopped = stopped
        self._moments = moments
        self._stored = stored
        self._losses = losses
        self._assignment = Assignment(desk, owned, most)
        self._assignment.bury()
        self.maintenance = Maintenance(desk, owned, watch)
        self._beat = self._round = self._breath = self._busy_until = self._stop_seen = 0.0

    def take_shards(self) -> Outcome:
        """Take our part of the shards, and prime what is missing of their eager domains."""
        total = Outcome()
        for place in self._assignment.balance(alone=self.bell is None):
            total.add(self._batch(place, eager=True, owed=True))
        return total

    def drain(self, rounds: int | None = None, rung: bool = False) -> Outcome:
        """Handle everything that is committed; returns when a look finds nothing more.

        Args:
            rounds: look so often at the most: under a steady load there is always more.
            rung: somebody has said that there is something, so the first look is saved.
        """
        total = Outcome()
        busy, pause = True, 0.0
        while busy and rounds != 0 and not self._stopped.is_set():
            busy = False
            if self.tick_at is not None and self.tick_at <= now():
                self.tick_at = schedule.tick()
            rounds = None if rounds is None else rounds - 1
            for place in list(self.owned.values()):
                if rung or batch.waits(self.desk, place):
                    busy = True
                    self._stopped.wait(pause)
                    start = time.monotonic()
                    outcome = self._batch(place)
                    took = time.monotonic() - start
                    least = settings.AWAKE_POLL
                    pause = 0.0 if outcome.cascaded else patience(outcome.changes, took, least)
                    total.add(outcome)
            rung = False
            self.beat()
        return total

    def now(self) -> Snapshot:
        """What is committed now."""
        with self.desk.cursor() as cursor:
            return Snapshot.parse(take(cursor))

    def unhandled(self, goal: Snapshot) -> list[int]:
        """The shards that others own, and whose owners have not handled what this sees."""
        with self.desk.cursor() as cursor:
            cursor.execute(_HANDLED)
            handled = {
                shard
                for shard, done, is_aside in cursor.fetchall()
                if not is_aside
                and (Snapshot.parse(done).includes(goal) or not reader.any_unseen(cursor, done))
            }
        others = set(range(settings.SHARDS)) - self.owned.keys() - handled
        return sorted(others) if self._assignment.wants_more else []

    def next_due(self) -> datetime | None:
        """When the next retry or tick is due."""
        with self.desk.cursor() as cursor:
            fingerprints = registry.graph().fingerprints
            retry = failures.next_due(cursor, self.owned, settings.SHARDS, fingerprints)
        return min((due for due in (retry, self.tick_at) if due is not None), default=None)

    def beat(self) -> bool:
        """Give a sign of life when one is due; whether there are new shards to be looked at."""
        bell, moment = self.bell, time.monotonic()
        if bell is None or moment - self._beat < BEAT:
            return False
        self._beat = self._busy_until = moment
        self._assignment.beat(bell.id, self._moments.seat_belt.count, self.maintenance.audited)
        owned = set(self.owned)
        self.take_shards()
        if self._round_is_due():
            self._make_the_round(bell)
        self.maintenance.beat()
        return not set(self.owned) <= owned

    def unasked(self, bell: Doorbell) -> bool:
        """Nobody rang; whether there may be something all the same.

        The round would handle it, so the seat belt looks before: there should be nothing.
        """
        if self._round_is_due() and self._any_unseen():
            if not bell.wait(RING_ON_ITS_WAY):
                self._moments.seat_belt.happens()
                logger.warning("The seat belt found a change that nobody rang for.")
            return True
        return self.beat()

    def prove(self, bell: Doorbell) -> None:
        """See that LISTEN works, and say so if it does not."""
        if not bell.prove():
            logger.error(
                "LISTEN hears nothing on this connection (a pooler?): polling. "
                "Let KCK_PUBLISH['DIRECT'] name the server itself."
            )

    def _round_is_due(self) -> bool:
        return time.monotonic() - self._round > settings.POLL_INTERVAL

    def _make_the_round(self, bell: Doorbell) -> None:
        """Prove LISTEN, move the cursors on past what is none of ours, try again what is owed."""
        self._round = time.monotonic()
        self.prove(bell)
        self.tick_at = schedule.tick()
        for place in list(self.owned.values()):
            self._batch(place, owed=True)
        with self.desk.cursor() as cursor:
            stores.current().sweep(cursor)

    def _any_unseen(self) -> bool:
        with self.desk.cursor() as cursor:
            return any(reader.any_unseen(cursor, place.done) for place in self.owned.values())

    def _batch(self, place: OwnedShard, eager: bool = False, owed: bool = False) -> Outcome:
        try:
            first = batch.domains(self.desk, place) if eager else None
            self.owned[place.shard], outcome = batch.batch(
                self.desk, place, first, owed, self._breathe, self._stored, self._losses
            )
        except Fenced as fenced:
            logger.warning("%s", fenced)
            shard.release(self.desk, place)
            del self.owned[place.shard]
            return self.take_shards()
        logger.debug("batch of shard %d: %s", place.shard, outcome)
        return outcome

    def _breathe(self, seconds: float = 0.0) -> None:
        """Give a sign of life in the middle of a batch: a long one is not a silent one.

        One that is to end is not finished if it takes long: it is repeated after the next start.


        Nor is one whose compute may take so long: it is cut off when its time is up.
        """
        bell, moment = self.bell, time.monotonic()
        if bell is None:
            return
        if self._stopped.is_set():
            self._stop_seen = self._stop_seen or moment
            if moment - self._stop_seen >= GRACE:
                raise Stopping
        if moment - self._breath > BEAT or moment + seconds - self._busy_until > BEAT:
            self._breath, self._busy_until = moment, moment + seconds
            self._assignment.breathe(bell.id, seconds)
