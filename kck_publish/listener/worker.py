"""The work of a connected listener: batches of its shards, signs of life, maintenance."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg
from django.db import OperationalError

from .. import signals, stores
from ..clock import now
from ..conf import settings
from ..exceptions import Fenced
from ..following.awaited_moments import Moments
from ..following.capture import CaptureWatch
from ..following.doorbell import Doorbell
from ..following.loop import BEAT
from ..following.process import Stopping
from ..log import reader
from ..log.snapshot import Snapshot, take
from ..postgres import Asked, answers, is_locked
from ..products import registry
from ..refresh import failures, schedule
from ..refresh.lost_connections import Losses
from ..refresh.outcome import Outcome
from . import shard, shard_batch
from .assignment import Assignment
from .batch_signals import Backlogs, tell_batch
from .heartbeat import Heartbeat
from .maintenance import Maintenance
from .pause import patience
from .shard import OwnedShard

logger = logging.getLogger("kck_publish")

# A ring may be this late behind the commit that it tells of, in seconds.
RING_ON_ITS_WAY = 0.5
# In so many rounds a cursor is moved on though there is nothing to do.
MOVES = 12
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
        heartbeat: beats while it works.
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
        heartbeat: Heartbeat,
    ) -> None:
        self.desk = desk
        self.owned = owned
        self.bell: Doorbell | None = None  # without one it drains once, and gives no sign of life
        self.tick_at: datetime | None = schedule.tick()
        self._stopped = stopped
        self._moments = moments
        self._stored = stored
        self._losses = losses
        self._heartbeat = heartbeat
        self._assignment = Assignment(desk, owned, most)
        self._assignment.bury()
        self.maintenance = Maintenance(desk, owned, watch)
        self._locked = False
        self._retry: datetime | None = None
        self._knows_retry = False
        self._backlogs = Backlogs()
        self._rounds = 0
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
                if rung or shard_batch.waits(self.desk, place):
                    busy = True
                    self._stopped.wait(pause)
                    start = time.monotonic()
                    outcome = self._batch(place, rung=rung)
                    took = time.monotonic() - start
                    least = settings.AWAKE_POLL
                    pause = 0.0 if outcome.cascaded else patience(outcome.changes, took, least)
                    total.add(outcome)
            rung = False
            self.beat()
        return total

    def peek(self) -> list[Asked]:
        """Asks whether there is anything to do; nothing where that is known without asking."""
        places = list(self.owned.values())
        if self.tick_at is not None and self.tick_at <= now():
            return []
        if any(place.backlog for place in places):
            return []
        return [shard_batch.waits_query(place) for place in places]

    def now(self) -> Snapshot:
        """The snapshot of what is committed now."""
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
        """The time of the next retry or tick."""
        if not self._knows_retry:
            row = self.desk.execute(*self.retry_query()).fetchone()
            self.note_retry(row[0] if row else None)
        dues = (self._retry, self.tick_at)
        return min((due for due in dues if due is not None), default=None)

    def retry_query(self) -> Asked:
        """Asks the time of the next retry, for who sends it with others; then ``note_retry``."""
        return failures.next_query(self.owned, settings.SHARDS, registry.graph().fingerprints)

    def note_retry(self, retry: datetime | None) -> None:
        """The next retry of what failed so far is then. (Who asks for one sooner rings.)"""
        self._retry, self._knows_retry = retry, True

    def beat(self) -> bool:
        """Give a sign of life when one is due; whether there are new shards to be looked at."""
        bell, moment = self.bell, time.monotonic()
        if bell is None or moment - self._beat < BEAT:
            return False
        self._beat = self._busy_until = moment
        self._heartbeat.beat()
        self._heartbeat.shards = sorted(self.owned)
        mine = self._assignment.beat_queries(
            bell.id, self._moments.seat_belt.count, self.maintenance.audited
        )
        duties = self.maintenance.queries()
        *found, ((retry,),) = answers(self.desk, [*mine, *duties, self.retry_query()])
        self.note_retry(retry)
        self._assignment.beaten(found[: len(mine)])
        owned = set(self.owned)
        self.take_shards()
        if self._round_is_due():
            self._make_the_round(bell)
        self.maintenance.beat(found[len(mine) :])
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
        self._rounds += 1
        for place in list(self.owned.values()):
            if place.owed or self._rounds % MOVES == 0 or self._any_added(place):
                self._batch(place, owed=True)
        with self.desk.cursor() as cursor:
            stores.current().sweep(cursor)

    def _any_added(self, place: OwnedShard) -> bool:
        """Whether there is anything unseen, or readers have added what is to be adopted."""
        unseen: Asked = (reader.ANY_UNSEEN, {"since": place.done})
        lazy = stores.current().table.any_lazy_query(place.shard, place.shards)
        return any(row[0] for rows in answers(self.desk, [unseen, lazy]) for row in rows)

    def _any_unseen(self) -> bool:
        with self.desk.cursor() as cursor:
            return any(reader.any_unseen(cursor, place.done) for place in self.owned.values())

    def _batch(
        self, place: OwnedShard, eager: bool = False, owed: bool = False, rung: bool = False
    ) -> Outcome:
        start, self._knows_retry = time.monotonic(), False
        bell = self.bell if rung else None
        try:
            first = shard_batch.domains(self.desk, place, self._losses) if eager else None
            self.owned[place.shard], outcome = shard_batch.batch(
                self.desk, place, first, owed, self._breathe, self._stored, self._losses, bell
            )
        except Fenced as fenced:
            logger.warning("%s", fenced)
            shard.release(self.desk, place)
            del self.owned[place.shard]
            self._assignment.announce(signals.shard_left, place.shard, "its epoch has passed")
            return self.take_shards()
        except (psycopg.errors.LockNotAvailable, OperationalError) as error:
            if not is_locked(error):
                raise
            self._say_locked(place)
            return Outcome()
        self._locked = False
        logger.debug("batch of shard %d: %s", place.shard, outcome)
        self.maintenance.history.add(outcome.tallies)
        self._backlogs.note(self.owned[place.shard], outcome)
        reason = "start" if eager else "round" if owed else "log"
        tell_batch(place.shard, outcome, time.monotonic() - start, reason)
        return outcome

    def _say_locked(self, place: OwnedShard) -> None:
        """Once, for as long as it lasts: the batch is repeated until the lock is let go."""
        if not self._locked:
            self._locked = True
            logger.warning(
                "Shard %d waits: somebody has locked a table of the library's.", place.shard
            )

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
        last = max(self._breath, self._beat)
        if moment - last > BEAT or moment + seconds - self._busy_until > BEAT:
            self._breath, self._busy_until = moment, moment + seconds
            self._heartbeat.beat(seconds)
            self._assignment.breathe(bell.id, seconds)
