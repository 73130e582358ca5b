"""The work of a connected listener: batches of its shards, and at each beat what is due."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import Any

import psycopg
from django.db import OperationalError

from .. import signals
from ..conf import settings
from ..exceptions import Fenced
from ..following.awaited_moments import Moments
from ..following.capture import CaptureWatch
from ..following.doorbell import Doorbell
from ..log.snapshot import Snapshot, take
from ..postgres import Asked, is_locked
from ..refresh.lost_connections import Losses
from ..refresh.outcome import Outcome
from ..round_trip import answers
from . import shard, shard_batch
from .assignment import Assignment
from .batch_signals import Backlogs, tell_batch
from .due_times import DueTimes
from .heartbeat import Heartbeat
from .maintenance import Maintenance
from .pause_between_batches import patience
from .round import Round
from .session import Tell
from .shard import OwnedShard
from .signs_of_life import SignsOfLife
from .unhandled import unhandled

logger = logging.getLogger("kck_publish")


class Worker:
    """One listener's work on one connection.

    Args:
        desk: the connection that it writes on, and that holds the shards' locks.
        owned: the shards that it owns; changed here.
        most: how many to own at the most; None for all that are free.
        stopped: set when it is to end.
        moments: what others may wait for.
        stored: is told of the entries that were just changed.
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
        stored: Tell,
        watch: CaptureWatch,
        losses: Losses,
        heartbeat: Heartbeat,
    ) -> None:
        self.desk = desk
        self.owned = owned
        self.bell: Doorbell | None = None  # without one it drains once, and gives no sign of life
        self.due = DueTimes(desk, owned)
        self._stopped = stopped
        self._seat_belt = moments.seat_belt
        self._stored = stored
        self._losses = losses
        self._assignment = Assignment(desk, owned, most)
        self._assignment.bury()
        self._life = SignsOfLife(heartbeat, self._assignment, stopped)
        self.maintenance = Maintenance(desk, owned, watch)
        self._round = Round(desk, owned, self.due, self._seat_belt, partial(self._batch, owed=True))
        self._locked = False
        self._has_left = False
        self._backlogs = Backlogs()

    def take_shards(self) -> Outcome:
        """Take our part of the shards, and prime what is missing of their eager domains."""
        total = Outcome()
        for place in self._assignment.balance(alone=self.bell is None):
            total.add(self._batch(place, eager=True, owed=True))
            self.due.forget_retry()  # that of a new shard may be sooner
        return total

    def drain(self, rounds: int | None = None, rung: bool = False) -> Outcome:
        """Handle everything that is committed; returns when a look finds nothing more.

        Args:
            rounds: look so often at the most: under a steady load there is always more.
            rung: somebody has said that there is something, so the first look is saved.
        """
        total = Outcome()
        self._has_left = False
        busy, pause = True, 0.0
        while busy and rounds != 0 and not self._stopped.is_set():
            busy = False
            if self.due.is_tick_due:
                self.due.tick()
            rounds = None if rounds is None else rounds - 1
            for place in list(self.owned.values()):
                if rung or shard_batch.waits(self.desk, place):
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

    @property
    def may_rest(self) -> bool:
        """Whether the last drain has left nothing that is known of, for which nobody rings."""
        return not (self._has_left or self.has_backlog)

    @property
    def has_backlog(self) -> bool:
        """Whether anything that was put aside is still to be handled; for that nobody rings."""
        return any(place.backlog for place in self.owned.values())

    def peek(self) -> list[Asked]:
        """Asks whether there is anything to do; nothing where that is known without asking."""
        if self.due.is_tick_due or self.has_backlog:
            return []
        return [shard_batch.waits_query(place) for place in self.owned.values()]

    def now(self) -> Snapshot:
        """The snapshot of what is committed now."""
        with self.desk.cursor() as cursor:
            return Snapshot.parse(take(cursor))

    def unhandled(self, goal: Snapshot) -> list[int]:
        """The shards that others own, and whose owners have not handled what this sees."""
        others = set(range(settings.SHARDS)) - self.owned.keys()
        return unhandled(self.desk, others, goal) if self._assignment.wants_more else []

    def beat(self) -> bool:
        """Give a sign of life when one is due; whether there are new shards to be looked at."""
        bell = self.bell
        if bell is None or not self._life.beat(self.owned):
            return False
        mine = self._assignment.beat_queries(
            bell.id, self._seat_belt.count, self.maintenance.audited
        )
        duties = self.maintenance.queries()
        *found, ((retry,),) = answers(self.desk, [*mine, *duties, self.due.retry_query()])
        self.due.note_retry(retry)
        self._assignment.beaten(found[: len(mine)])
        owned = set(self.owned)
        self.take_shards()
        if self._round.is_due:
            self._round.make(bell)
        self.maintenance.beat(found[len(mine) :])
        return not set(self.owned) <= owned

    def unasked(self, bell: Doorbell) -> bool:
        """Nobody rang; whether there may be something all the same.

        The round would handle it, so the seat belt looks before: there should be nothing.
        """
        return self._round.finds_unrung(bell) or self.beat()

    def _batch(self, place: OwnedShard, eager: bool = False, owed: bool = False) -> Outcome:
        start = time.monotonic()
        breathe = partial(self._life.breathe, None if self.bell is None else self.bell.id)
        had_left, self._has_left = self._has_left, True
        try:
            first = shard_batch.domains(self.desk, place, self._losses) if eager else None
            self.owned[place.shard], outcome = shard_batch.batch(
                self.desk, place, first, owed, breathe, self._stored, self._losses
            )
        except Fenced as fenced:
            logger.warning("%s", fenced)
            shard.release(self.desk, place)
            del self.owned[place.shard]
            self._assignment.announce(signals.shard_left, place.shard, "its epoch has passed")
            self.due.forget_retry()
            return self.take_shards()
        except (psycopg.errors.LockNotAvailable, OperationalError) as error:
            if not is_locked(error):
                raise
            self._say_locked(place)
            self.due.forget_retry()
            return Outcome()
        self._locked = False
        self._has_left = had_left or outcome.cascaded > 0 or outcome.failed > 0
        if outcome.failed:
            self.due.forget_retry()
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
