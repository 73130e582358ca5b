"""The listener's heartbeat: whether it lives and is ready, for those who look from outside.

The worker beats while it looks at the log and while it computes; ``endpoint`` serves what is known
here over HTTP, and ``supervisors`` tells it to a file and to systemd.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..conf import settings

# After so many times SILENCE without a beat a listener counts as dead. Others take its shards after
# one SILENCE; a supervisor that killed it so early would never let a long compute end.
LIMIT = 8
# Seconds between two beats that are passed on.
EACH = 1.0


class Heartbeat:
    """The signs of life of one listener. Any thread may ask.

    Attributes:
        connected: whether it is connected, and follows the log.
        caught_up: whether it has been caught up since it started.
        shards: those that it owns.
        on_beat: called with each beat, once a second at the most, in the listener's thread.
        on_ready: called the first time that it is caught up.
    """

    def __init__(self) -> None:
        self.connected = False
        self.caught_up = False
        self.shards: list[int] = []
        self.on_beat: list[Callable[[], None]] = []
        self.on_ready: list[Callable[[], None]] = []
        self._last = self._until = time.monotonic()
        self._passed_on = float("-inf")

    def beat(self, seconds: float = 0.0) -> None:
        """Note a sign of life; the next one may take so many seconds more."""
        self._last = moment = time.monotonic()
        self._until = moment + seconds
        if moment - self._passed_on >= EACH:
            self._passed_on = moment
            for call in self.on_beat:
                call()

    def follows(self, shards: list[int]) -> None:
        """Note that it is connected and caught up."""
        self.connected, self.shards = True, shards
        if not self.caught_up:
            self.caught_up = True
            for call in self.on_ready:
                call()

    def stops(self) -> None:
        """Note that it is not connected any more."""
        self.connected, self.shards = False, []

    @property
    def silent_for(self) -> float:
        """Seconds since the last sign of life, or since the next was due."""
        return max(0.0, time.monotonic() - max(self._last, self._until))

    @property
    def is_live(self) -> bool:
        """Whether a restart would not help; a lost database alone is no reason for one."""
        return self.silent_for < LIMIT * settings.SILENCE

    @property
    def is_ready(self) -> bool:
        """Whether it follows the log."""
        return self.connected and self.caught_up and self.silent_for < settings.SILENCE

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "live": self.is_live,
            "ready": self.is_ready,
            "connected": self.connected,
            "shards": self.shards,
            "silent_seconds": round(self.silent_for, 3),
        }
