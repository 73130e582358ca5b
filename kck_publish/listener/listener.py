"""The listener: the long-running process that follows the log. ``manage.py kck_listen``.

    drain; linger; fall asleep; wait for a ring; drain ...

Woken, timed out or reconnected, it drains in the same way each time: the log is the truth, the
ring only says when to look.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from django.db import DatabaseError, connections

from .. import stores
from ..capture.install import faults, install
from ..clock import now
from ..conf import settings
from ..exceptions import ConfigurationError, Fenced, StoreMissing, StoreUnreachable
from ..following.doorbell import Doorbell, listener_name
from ..log import reader
from ..postgres import PREPARE, connect, is_passing, name_of
from ..products import registry
from ..refresh import failures, schedule
from ..refresh.outcome import Outcome
from . import batch, shard
from .assignment import BEAT, Sharing
from .maintenance import Housekeeping
from .pause import patience
from .shard import Place

logger = logging.getLogger("kck_publish")

# Polls right after a change are this close together, in seconds; they widen to AWAKE_POLL.
CLOSE_POLL = 0.001
# Before it says ready: the first handles all that was there, each further one a cascade's level.
CATCH_UP_ROUNDS = 10
# Seconds between two tries to connect; each is twice the one before.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


@dataclass
class Listener:
    """Follows the log until told to stop.

    Args:
        alias: the database.
        poll: never LISTEN, only look.
        most: how many shards to own at the most; None for all that are free.
        say: prints a line for the operator.
        stored: is told the keys of the entries that were just written.
    """

    alias: str
    poll: bool = False
    most: int | None = None
    say: Callable[[str], None] = print
    places: dict[int, Place] = field(default_factory=dict)
    seat_belt: int = 0
    announced: bool = False
    stored: Callable[[Sequence[str]], None] = lambda keys: None

    def stop(self) -> None:
        """Finish the batch and return from ``run``; may be called from a signal handler."""
        self._stopped.set()
        if self._bell is not None:
            self._bell.wake()

    _bell: Doorbell | None = None
    _beat: float = 0.0
    _round: float = 0.0
    _breath: float = 0.0
    _busy_until: float = 0.0
    _tick_at: datetime | None = None
    _stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` has been called."""
        return self._stopped.is_set()

    def run(self) -> None:
        """Follow the log until ``stop``; a lost connection is made anew, and all is looked at.

        While the store's own server is away, likewise: a batch that was not written is repeated.
        """
        pause, lost, waiting = FIRST_PAUSE, False, False
        while not self.stopping:
            try:
                bell = self._open()
                if lost:
                    logger.warning("Connected again: following the log.")
                pause, lost, waiting = FIRST_PAUSE, False, False
                self._follow(bell)
            except (DatabaseError, psycopg.Error) as error:
                if not is_passing(error):
                    raise
                connections[self.alias].close()
                if not lost:
                    logger.warning("The database is lost (%s): connecting again.", name_of(error))
                lost = True
            except StoreUnreachable:  # the store has said so; the cursor has not moved
                waiting = True
            finally:
                self._finish()
            if (lost or waiting) and not self.stopping:
                self._stopped.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _open(self) -> Doorbell:
        """Connect, take shards and catch up."""
        self._start()
        connections[self.alias].connection.prepare_threshold = PREPARE
        bell = self._bell = Doorbell(
            lambda: connect(self.alias, settings.LISTEN_DSN),
            self._desk,
            listener_name(),
            listen=not self.poll,
        )
        self._prove(bell)
        self._take_shards()
        self.drain(rounds=CATCH_UP_ROUNDS)
        if not self.announced:
            self.announced = True
            self.say(f"kck_listen ready: {bell.name}, shards {sorted(self.places)}")
        return bell

    def once(self) -> Outcome:
        """Drain and return: what is committed now is handled.

        Raises:
            ConfigurationError: inside a transaction, where nothing can be read but its own state.
        """
        registry.graph()  # what is declared wrongly is named first
        if connections[self.alias].in_atomic_block:
            raise ConfigurationError(
                "A listener cannot work inside a transaction. In a test that is one, call "
                "kck_publish.testing.drain()."
            )
        self._start()
        try:
            total = self._take_shards(alone=True)
            total.add(self.drain())
            return total
        finally:
            self._finish()

    def _start(self) -> None:
        registry.graph()  # a cycle, or a dependency on nothing, is refused here
        connections[self.alias].ensure_connection()
        self._desk = connect(self.alias)
        for table in ("kck_publish_change", "kck_publish_entry"):
            if self._desk.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,):
                self._desk.close()
                raise StoreMissing(table, self.alias)
        for done in install(self.alias, registry.sources(), only_missing=True):
            logger.warning("%s", done)
        for fault in faults(self.alias, registry.sources()):
            logger.error("%s", fault)
        self._sharing = Sharing(self._desk, self.places, self.most)
        self._house = Housekeeping(self._desk, self.places)
        self._sharing.bury()
        schedule.plan()
        self._tick_at = schedule.tick()

    def _finish(self) -> None:
        if hasattr(self, "_house"):
            self._house.close()
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        if hasattr(self, "_desk"):
            self._desk.close()  # and with it the shards' locks
        self.places.clear()

    def _take_shards(self, alone: bool = False) -> Outcome:
        """Take our part of the shards, and prime what is missing of their eager domains."""
        total = Outcome()
        for place in self._sharing.balance(alone):
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
        while busy and rounds != 0 and not self.stopping:
            busy = False
            if self._tick_at is not None and self._tick_at <= now():
                self._tick_at = schedule.tick()
            rounds = None if rounds is None else rounds - 1
            for place in list(self.places.values()):
                if rung or batch.waits(self._desk, place):
                    busy = True
                    self._stopped.wait(pause)
                    start = time.monotonic()
                    outcome = self._batch(place)
                    took = time.monotonic() - start
                    least = settings.AWAKE_POLL
                    pause = 0.0 if outcome.cascaded else patience(outcome.changes, took, least)
                    total.add(outcome)
            rung = False
            self._beat_when_due()
        return total

    def _batch(self, place: Place, eager: bool = False, owed: bool = False) -> Outcome:
        try:
            first = batch.domains(self._desk, place) if eager else None
            self.places[place.shard], outcome = batch.batch(
                self._desk, place, first, owed, self._breathe, self.stored
            )
        except Fenced as fenced:
            logger.warning("%s", fenced)
            shard.release(self._desk, place)
            del self.places[place.shard]
            return self._take_shards(alone=self._bell is None)
        logger.debug("batch of shard %d: %s", place.shard, outcome)
        return outcome

    def _follow(self, bell: Doorbell) -> None:
        last, pause = time.monotonic(), CLOSE_POLL
        while not self.stopping:
            if self.drain().changes:
                last, pause = time.monotonic(), CLOSE_POLL
            if time.monotonic() - last < settings.LINGER or not bell.can_sleep:
                bell.wait(pause)
                pause = min(pause * 1.2, settings.AWAKE_POLL)
            elif not self.places:  # nobody need ring for us
                bell.wait(BEAT)
            elif self._sleep(bell):
                last, pause = time.monotonic(), CLOSE_POLL

    def _sleep(self, bell: Doorbell) -> bool:
        """Fall asleep, and wake up for a reason: True when there may be a change."""
        uncertain = bell.asleep()
        pause = CLOSE_POLL
        try:
            # One look: while we say that we sleep, everybody rings.
            while not self.drain(rounds=1).changes and not self.stopping:
                if not uncertain:
                    return self._wait_for_ring(bell)
                bell.wait(pause)
                pause = min(pause * 1.5, settings.AWAKE_POLL * 4)
                # First see who has ended, and then drain: the other order loses a change.
                uncertain &= bell.running()
            return True
        finally:
            bell.awake()

    def _wait_for_ring(self, bell: Doorbell) -> bool:
        """Wait, and drain at once when somebody rings; whether there may be more."""
        end = time.monotonic() + self._nap()
        while not self.stopping and (left := end - time.monotonic()) > 0:
            if bell.wait(min(left, BEAT)):
                self.drain(rung=True)
                return True
            if self._beat_when_due():
                return True
        return self._look_unasked(bell)

    def _nap(self) -> float:
        """Until the seat belt's look, the next retry or the next tick, in seconds."""
        with self._desk.cursor() as cursor:
            retry = failures.next_due(cursor, self.places, settings.SHARDS)
        waits = [(due - now()).total_seconds() for due in (retry, self._tick_at) if due is not None]
        return max(0.0, min([settings.POLL_INTERVAL, *waits]))

    def _look_unasked(self, bell: Doorbell) -> bool:
        """The seat belt: nobody rang, so there should be nothing."""
        with self._desk.cursor() as cursor:
            found = any(reader.any_unseen(cursor, place.done) for place in self.places.values())
        if found and not bell.wait(0.5):  # a ring may be on its way
            self.seat_belt += 1
            logger.warning("The seat belt found a change that nobody rang for.")
        return found

    def _beat_when_due(self) -> bool:
        """Give a sign of life now and then; whether there are new shards to be looked at."""
        bell, moment = self._bell, time.monotonic()
        if bell is None or moment - self._beat < BEAT:
            return False
        self._beat = self._busy_until = moment
        self._sharing.beat(bell.id, self.seat_belt, self._house.audited)
        owned = set(self.places)
        self._take_shards()
        if moment - self._round > settings.POLL_INTERVAL:
            self._round = moment
            self._make_the_round(bell)
        self._house.beat()
        return not set(self.places) <= owned

    def _breathe(self, seconds: float = 0.0) -> None:
        """Give a sign of life in the middle of a batch: a long one is not a silent one.

        Nor is one whose compute may take so long: it is cut off when its time is up.
        """
        bell, moment = self._bell, time.monotonic()
        if bell is None:
            return
        if moment - self._breath > BEAT or moment + seconds - self._busy_until > BEAT:
            self._breath, self._busy_until = moment, moment + seconds
            self._sharing.breathe(bell.id, seconds)

    def _make_the_round(self, bell: Doorbell) -> None:
        """Prove LISTEN, move the cursors on past what is none of ours, try again what is owed."""
        self._prove(bell)
        self._tick_at = schedule.tick()
        for place in list(self.places.values()):
            self._batch(place, owed=True)
        with self._desk.cursor() as cursor:
            stores.current().sweep(cursor)

    def _prove(self, bell: Doorbell) -> None:
        if not bell.prove():
            logger.error(
                "LISTEN hears nothing on this connection (a transaction pooler?): polling. "
                "Set LISTEN_DSN to the server itself."
            )
