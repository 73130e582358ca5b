"""The process of a ``Follower``: its connections, its lock, and the loop of all followers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from ..conf import settings
from ..exceptions import StoreUnreachable
from ..log import followers
from ..postgres import connect, describe, is_passing
from .awaited_moments import Moments
from .capture import CaptureWatch
from .doorbell import Doorbell, listener_name
from .loop import BEAT, Loop
from .process import Following, OccupiedError, see_listed
from .stream import Stream

if TYPE_CHECKING:
    from .follower import Follower

logger = logging.getLogger("kck_publish")

_ALIVE = """
UPDATE kck_publish_listener SET seen_at = clock_timestamp(), seat_belt = %s WHERE id = %s
"""
# A ring may be this late behind the commit that it tells of, in seconds.
RING_ON_ITS_WAY = 0.5


class FollowerProcess(Following):
    """Runs a Follower until it is stopped.

    Attributes:
        poll: never LISTEN, only look.
        installs: put right what of the capture is not as it should be, when it connects.
        say: prints a line for the operator.
    """

    def __init__(self, follower: Follower) -> None:
        super().__init__()
        self.poll = False
        self.installs = True
        self.say: Callable[[str], object] = lambda line: None
        self._follower = follower
        self._waits = False

    @contextmanager
    def connected(self) -> Iterator[Loop]:
        """The desk with the lock, the streams from where they were, and the doorbell."""
        alias, name = settings.DATABASE, self._follower.name
        with ExitStack() as stack:
            desk = connect(alias)
            stack.callback(desk.close)  # and with it the lock
            self._lock(desk, name)
            if self.installs:
                CaptureWatch(alias).look()
            streams = self._follower.streams(desk)
            bell = Doorbell(
                lambda: connect(alias),
                desk,
                f"{name}:{listener_name()}",
                listen=not self.poll,
                kind="follower",
            )
            stack.callback(bell.close)
            bell.prove()
            self.say(f"kck_follow ready: {name}")
            yield StreamLoop(streams, desk, bell, self._stopped, self.moments)

    def _lock(self, desk: psycopg.Connection[Any], name: str) -> None:
        with desk.cursor() as cursor:
            if followers.lock(cursor, name):
                self._waits = False
                return
        if not self._waits:
            self._waits = True
            logger.warning("Another process follows as %s: waiting until it has ended.", name)
        raise OccupiedError

    def passes(self, error: Exception) -> bool:
        """Whether the database, or the store's own server, is away."""
        return isinstance(error, StoreUnreachable) or is_passing(error)

    def lost(self, error: Exception) -> None:
        """Say so; of the store's server, the store itself has."""
        if not isinstance(error, StoreUnreachable):
            logger.warning(
                "Follower %s has lost the database (%s): connecting again.",
                self._follower.name,
                describe(error),
            )

    def found(self, seconds: float) -> None:
        """Say so."""
        name = self._follower.name
        logger.warning("Follower %s is connected again after %.1f s.", name, seconds)


class StreamLoop(Loop):
    """The loop of a Follower: a look hands on what is new in each of its streams."""

    def __init__(
        self,
        streams: list[Stream],
        desk: psycopg.Connection[Any],
        bell: Doorbell,
        stopped: threading.Event,
        moments: Moments,
    ) -> None:
        super().__init__(bell, stopped, moments)
        self._streams = streams
        self._desk = desk
        self._beaten = 0.0

    def look(self, rung: bool = False, once: bool = False) -> bool:
        """Hand on what is new; whether there was anything.

        After a ring twice, so that it may rest when there was nothing the second time.
        """
        found = self._handed_on()
        self.may_rest = not (rung and found and self._handed_on())
        if time.monotonic() - self._beaten > BEAT:
            self._beaten = time.monotonic()
            cursor = self._desk.execute(_ALIVE, [self._moments.seat_belt.count, self.bell.id])
            see_listed(cursor.rowcount)
        return found

    @property
    def seen(self) -> Iterable[str]:
        """The place of each stream."""
        return (stream.place.done for stream in self._streams)

    def _handed_on(self) -> bool:
        found = [stream.look() for stream in self._streams]
        return any(found)

    def unasked(self) -> bool:
        """The seat belt: nobody rang, so there should be nothing."""
        found = self.look()
        if found and not self.bell.wait(RING_ON_ITS_WAY):
            self._moments.seat_belt.happens()
            logger.warning("The seat belt found a change that nobody rang for.")
        return found
