"""Moments in the life of a follower that another thread may wait for: tests wait for events."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


class Moment:
    """Something that happens again and again."""

    def __init__(self) -> None:
        self._happened = threading.Condition()
        self.count = 0

    def happens(self) -> None:
        """The moment is now: waiting threads go on."""
        with self._happened:
            self.count += 1
            self._happened.notify_all()

    def wait(self, timeout: float, after: int = 0) -> bool:
        """Wait until it has happened more often than so; whether it has.

        Args:
            timeout: in seconds.
            after: the count that must be exceeded.
        """
        with self._happened:
            return self._happened.wait_for(lambda: self.count > after, timeout)


@dataclass(frozen=True)
class Moments:
    """The moments of a follower.

    Attributes:
        connected: it is connected, or connected again, and follows.
        lost: its connection is lost.
        asleep: it waits for a ring, and every writer knows.
        seat_belt: it found a change that nobody rang for; this should never be.
    """

    connected: Moment = field(default_factory=Moment)
    lost: Moment = field(default_factory=Moment)
    asleep: Moment = field(default_factory=Moment)
    seat_belt: Moment = field(default_factory=Moment)
