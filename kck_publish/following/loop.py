"""The loop of all followers: look, linger, fall asleep, wait for a ring, look again.

Rung for, timed out or connected again, a follower looks in the same way each time: what is stored
is the truth, the ring only says when to look.
"""

from __future__ import annotations

import threading
import time

from ..conf import settings
from .doorbell import Doorbell
from .moments import Moments

# Looks right after a change are this close together, in seconds; they widen to AWAKE_POLL.
CLOSE_POLL = 0.001
# Seconds between two signs of life.
BEAT = 1.0


class Loop:
    """Follows for as long as a connection lasts; a subclass says what a look is.

    Args:
        bell: wakes it.
        stopped: set when it is to end.
        moments: what others may wait for.
    """

    # The pause after a look that was not in vain, in seconds.
    first_pause = CLOSE_POLL

    def __init__(self, bell: Doorbell, stopped: threading.Event, moments: Moments) -> None:
        self.bell = bell
        self._stopped = stopped
        self._moments = moments

    def look(self, rung: bool = False, once: bool = False) -> bool:
        """Handle what is new; whether there was anything.

        Args:
            rung: somebody has said that there is something.
            once: return after one look, though there be more.
        """
        raise NotImplementedError

    def nap(self) -> float:
        """How long to wait for a ring, in seconds, before ``unasked``."""
        return BEAT

    def unasked(self) -> bool:
        """Nobody rang for the length of a nap; whether there may be anything all the same."""
        return False

    @property
    def needs_rings(self) -> bool:
        """Whether anybody need ring for it."""
        return True

    @property
    def stopping(self) -> bool:
        """Whether it is to end."""
        return self._stopped.is_set()

    def follow(self) -> None:
        """Follow until told to stop, or until an error says that the connection is lost."""
        last, pause = time.monotonic(), CLOSE_POLL
        while not self.stopping:
            if self.look():
                last, pause = time.monotonic(), self.first_pause
            if time.monotonic() - last < settings.LINGER or not self.bell.can_sleep:
                self.bell.wait(pause)
                pause = min(pause * 1.2, settings.AWAKE_POLL)
            elif not self.needs_rings:
                self.bell.wait(BEAT)
            elif self.sleep():
                last, pause = time.monotonic(), CLOSE_POLL

    def sleep(self) -> bool:
        """Fall asleep, and wake up for a reason: True when there may be a change."""
        uncertain = self.bell.asleep()
        pause = CLOSE_POLL
        try:
            # One look: while the flag says asleep, everybody rings.
            while not self.look(once=True) and not self.stopping:
                if not uncertain:
                    return self.wait_for_ring()
                self.bell.wait(pause)
                pause = min(pause * 1.5, settings.AWAKE_POLL * 4)
                # First see who has ended, and then look: the other order loses a change.
                uncertain &= self.bell.running()
            return True
        finally:
            self.bell.awake()

    def wait_for_ring(self) -> bool:
        """Wait, and look at once when somebody rings; whether there may be more."""
        self._moments.asleep.happens()
        while not self.stopping:
            if self.bell.wait(self.nap()):
                self.look(rung=True)
                return True
            if not self.stopping and self.unasked():
                return True
        return False
