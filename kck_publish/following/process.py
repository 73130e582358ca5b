"""A process, or a thread, that follows until told to stop, and connects again when it must."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg
from django.core.cache import caches
from django.db import DatabaseError, connections

from ..conf import settings
from ..exceptions import StoreUnreachable
from ..postgres import is_read_only
from .awaited_moments import Moments
from .loop import Loop

logger = logging.getLogger("kck_publish")

# Seconds between two tries to connect; each is twice the one before.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# Never connected for so long, in seconds, it cannot start: an address or a password is wrong.
START_PATIENCE = 30.0
# Seconds between two tries to become the one who follows.
OCCUPIED_PAUSE = 0.5


class Stopping(BaseException):
    """The process was told to stop and gives up its work; no ``except`` of user code holds it."""


class OccupiedError(Exception):
    """Another process follows in this one's place; its turn comes when that has ended."""


class UnlistedError(Exception):
    """Its row among the listeners was deleted, so nobody rings for it: it connects again."""


def see_listed(count: int) -> None:
    """See that a sign of life, which was just written, has found its row.

    Args:
        count: of the rows that it has found.

    Raises:
        UnlistedError: it is not there.
    """
    if count == 0:
        logger.warning("Our row among the listeners was deleted (a flush?): connecting again.")
        raise UnlistedError


class Following:
    """Follows until ``stop``; a subclass says what is connected, and what is said of a loss."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._loop: Loop | None = None
        self.moments = Moments()

    def connected(self) -> AbstractContextManager[Loop]:
        """Everything that is open while it follows, and the loop that uses it.

        Raises:
            OccupiedError: another process follows.
        """
        raise NotImplementedError

    def passes(self, error: Exception) -> bool:
        """Whether to connect again after such an error."""
        raise NotImplementedError

    def let_go(self) -> None:
        """After each loss: close Django's connection, which the server may have closed."""
        connections[settings.DATABASE].close()

    def lost(self, error: Exception) -> None:
        """The connection is lost, and was not before, or not for this reason."""

    def found(self, seconds: float) -> None:
        """It is connected again, after so long."""

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` has been called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Finish what is in hand and return from ``run``; a signal handler may call it."""
        self._stopped.set()
        self.wake()

    @property
    def is_asleep(self) -> bool:
        """Whether it waits for a ring; another thread may ask."""
        return (loop := self._loop) is not None and loop.bell.says_asleep

    def wake(self) -> None:
        """Look at once, if it follows; another thread may call it."""
        if (loop := self._loop) is not None:
            loop.bell.wake()

    def run(self) -> None:
        """Follow until ``stop``; a lost connection is made anew, and all is looked at."""
        pause, began, has_waited = FIRST_PAUSE, time.monotonic(), False
        lost: dict[str, float] = {}  # when, by reason
        while not self.stopping:
            try:
                with self.connected() as self._loop:
                    if lost:
                        self.found(time.monotonic() - min(lost.values()))
                    pause = FIRST_PAUSE
                    lost.clear()
                    self.moments.connected.happens()
                    self._loop.follow()
            except Stopping:
                return
            except OccupiedError:
                has_waited = True  # for long, perhaps: that is no wrong address
                self._stopped.wait(OCCUPIED_PAUSE)
            except UnlistedError:
                self.moments.lost.happens()
            except (DatabaseError, psycopg.Error, StoreUnreachable, OSError) as error:
                started = has_waited or self.moments.connected.count
                is_early = time.monotonic() - began < START_PATIENCE
                if not (self.passes(error) and (started or is_early or is_read_only(error))):
                    raise
                self.let_go()
                if (reason := _reason(error)) not in lost:
                    lost[reason] = time.monotonic()
                    self.lost(error)
                    self.moments.lost.happens()
                self._stopped.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            finally:
                self._loop = None


def _reason(error: Exception) -> str:
    """Each of these is said once."""
    if isinstance(error, StoreUnreachable):
        return "store"
    return "standby" if is_read_only(error) else "database"


def close_thread() -> None:
    """At the end of a thread: close what it has opened by Django, of databases and of caches."""
    connections.close_all()
    caches.close_all()


def obey_signals(stop: Callable[[], None]) -> None:
    """End on SIGTERM and Ctrl-C; a terminal that is closed (SIGHUP) ends nothing."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def keep_what_is_loaded() -> None:
    """For a process that stays: what is loaded by now is not looked through for garbage any more.

    A full collection of it would hold up a change for some 60 ms now and then.
    """
    gc.collect()
    gc.freeze()
