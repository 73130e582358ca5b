"""The listener: the long-running process that follows the log. ``manage.py kck_listen``.

    drain; linger; fall asleep; wait for a ring; drain ...

Woken, timed out or reconnected, it drains in the same way each time: the log is the truth, the
ring only says when to look.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import DatabaseError, connections
from django.db import InterfaceError as DjangoInterfaceError
from django.db import OperationalError as DjangoOperationalError

from . import changes, following, registry, retries
from .capture import faults, install
from .clock import now
from .conf import settings
from .doorbell import Doorbell, listener_name
from .exceptions import Fenced, StoreMissing
from .following import Place
from .refresh import Outcome

logger = logging.getLogger("kck_publish")

# How long the listener waits for a lock that somebody else (a TRUNCATE, a migration) holds.
LOCK_TIMEOUT = "5s"
# Polls right after a change are this close together, in seconds; they widen to AWAKE_POLL.
CLOSE_POLL = 0.001
# Seconds between two tries to connect; each is twice the one before.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


def connect(alias: str, dsn: str | None = None) -> psycopg.Connection[Any]:
    """A connection of the listener's own: never the one that user code computes on.

    The listener's writes need not wait for the disk: a crash loses the tail of values, stamps and
    cursor together, and the batch is repeated.
    """
    if dsn is not None:
        return psycopg.connect(dsn, autocommit=True)
    parameters = connections[alias].get_connection_params()
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    parameters |= {"prepare_threshold": 5, "autocommit": True}
    connection = psycopg.connect(**parameters)
    connection.execute("SET synchronous_commit = off")
    connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    return connection


@dataclass
class Listener:
    """Follows the log until told to stop.

    Args:
        alias: the database.
        poll: never LISTEN, only look.
        most: how many shards to own at the most; None for all that are free.
        say: prints a line for the operator.
    """

    alias: str
    poll: bool = False
    most: int | None = None
    say: Callable[[str], None] = print
    places: dict[int, Place] = field(default_factory=dict)
    seat_belt: int = 0
    announced: bool = False

    def stop(self) -> None:
        """Finish the batch and return from ``run``; may be called from a signal handler."""
        self._stopped.set()
        if self._bell is not None:
            self._bell.wake()

    _bell: Doorbell | None = None
    _stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` has been called."""
        return self._stopped.is_set()

    def run(self) -> None:
        """Follow the log until ``stop``; a lost connection is made anew, and all is looked at."""
        pause, lost = FIRST_PAUSE, False
        while not self.stopping:
            try:
                bell = self._open()
                if lost:
                    logger.warning("Connected again: following the log.")
                pause, lost = FIRST_PAUSE, False
                self._follow(bell)
            except (DatabaseError, psycopg.Error) as error:
                if not is_passing(error):
                    raise
                if not lost:
                    logger.warning("The database is lost (%s): connecting again.", _name(error))
                lost = True
            finally:
                self._finish()
            if lost and not self.stopping:
                self._stopped.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _open(self) -> Doorbell:
        """Connect, take shards and catch up."""
        self._start()
        bell = self._bell = Doorbell(
            lambda: connect(self.alias, settings.LISTEN_DSN),
            self._desk,
            listener_name(),
            listen=not self.poll,
        )
        if not bell.prove():
            logger.error(
                "LISTEN hears nothing on this connection (a transaction pooler?): polling. "
                "Set LISTEN_DSN to the server itself."
            )
        self._take_shards()
        self._prime_domains()
        self.drain()
        if not self.announced:
            self.announced = True
            self.say(f"kck_listen ready: {bell.name}, shards {sorted(self.places)}")
        return bell

    def once(self) -> Outcome:
        """Drain and return: what is committed now is handled."""
        self._start()
        try:
            self._take_shards()
            total = self._prime_domains()
            total.add(self.drain())
            return total
        finally:
            self._finish()

    def _start(self) -> None:
        registry.graph()  # a cycle, or a dependency on nothing, is refused here
        connections[self.alias].close()
        self._desk = connect(self.alias)
        if self._desk.execute("SELECT to_regclass('kck_publish_change')").fetchone() == (None,):
            self._desk.close()
            raise StoreMissing("kck_publish_change", self.alias)
        for done in install(self.alias, only_missing=True):
            logger.warning("%s", done)
        for fault in faults(self.alias):
            logger.error("%s", fault)

    def _finish(self) -> None:
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        if hasattr(self, "_desk"):
            self._desk.close()  # and with it the shards' locks
        self.places.clear()

    def _take_shards(self) -> None:
        shards = settings.SHARDS
        following.agree(self._desk, shards)
        for shard in range(shards):
            if self.most is not None and len(self.places) >= self.most:
                return
            if shard not in self.places:
                place = following.take(self._desk, shard, shards)
                if place is not None:
                    self.places[shard] = place

    def _prime_domains(self) -> Outcome:
        """Eager products: what of their domain is not stored is primed now."""
        total = Outcome()
        for place in list(self.places.values()):
            total.add(self._batch(place, eager=True) or Outcome())
        return total

    def drain(self) -> Outcome:
        """Handle everything that is committed; returns when a look finds nothing more."""
        total = Outcome()
        busy = True
        while busy:
            busy = False
            for place in list(self.places.values()):
                if following.waits(self._desk, place):
                    busy = True
                    outcome = self._batch(place)
                    if outcome is not None:
                        total.add(outcome)
                if self.stopping:
                    return total
        return total

    def _batch(self, place: Place, eager: bool = False) -> Outcome | None:
        try:
            first = following.domains(self._desk, place) if eager else None
            self.places[place.shard], outcome = following.batch(self._desk, place, first)
        except Fenced as fenced:
            logger.warning("%s", fenced)
            following.release(self._desk, place)
            del self.places[place.shard]
            self._take_shards()
            return None
        logger.debug("batch of shard %d: %s", place.shard, outcome)
        return outcome

    def _follow(self, bell: Doorbell) -> None:
        last, beat, pause = time.monotonic(), time.monotonic(), CLOSE_POLL
        while not self.stopping:
            if self.drain().changes:
                last, pause = time.monotonic(), CLOSE_POLL
            if time.monotonic() - beat > settings.POLL_INTERVAL:
                self._beat(bell)
                beat = time.monotonic()
            if time.monotonic() - last < settings.LINGER or not bell.can_sleep:
                bell.wait(pause)
                pause = min(pause * 1.2, settings.AWAKE_POLL)
            elif self._sleep(bell):
                last, pause = time.monotonic(), CLOSE_POLL

    def _sleep(self, bell: Doorbell) -> bool:
        """Fall asleep, and wake up for a reason: True when there was a change."""
        uncertain = bell.asleep(True)
        pause, rung = CLOSE_POLL, False
        try:
            while not self.drain().changes and not self.stopping:
                if not uncertain:
                    rung = bell.wait(self._nap())
                    return rung or self._look_unasked(bell)
                bell.wait(pause)
                pause = min(pause * 1.5, settings.AWAKE_POLL * 4)
                # First see who has ended, and then drain: the other order loses a change.
                uncertain &= bell.running()
            return True
        finally:
            bell.asleep(False)

    def _nap(self) -> float:
        """Until the seat belt's look, or the next retry, in seconds."""
        nap = settings.POLL_INTERVAL
        with self._desk.cursor() as cursor:
            due = retries.next_due(cursor, self.places, settings.SHARDS)
        return nap if due is None else max(0.0, min(nap, (due - now()).total_seconds()))

    def _look_unasked(self, bell: Doorbell) -> bool:
        """The seat belt: nobody rang, so there should be nothing."""
        with self._desk.cursor() as cursor:
            found = any(changes.any_unseen(cursor, place.done) for place in self.places.values())
        if found and not bell.wait(0.5):  # a ring may be on its way
            self.seat_belt += 1
            logger.warning("The seat belt found a change that nobody rang for.")
        return found

    def _beat(self, bell: Doorbell) -> None:
        self._take_shards()
        bell.beat(sorted(self.places), self.seat_belt)
        if not bell.prove():
            logger.error("LISTEN hears nothing any more: polling.")
        for place in list(self.places.values()):
            self._batch(place)  # moves the cursor on past what is none of ours
        with self._desk.cursor() as cursor:
            changes.trim(cursor, settings.RETENTION.total_seconds())


def is_passing(error: Exception) -> bool:
    """Whether an error says that the database is away, or that somebody held a lock."""
    passing = (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        DjangoOperationalError,
        DjangoInterfaceError,
    )
    return isinstance(error, passing)


def _name(error: Exception) -> str:
    cause = error.__cause__ or error
    return type(cause).__name__
