"""The loop of all followers: look, linger, fall asleep, wait for a ring, look again.

Rung for, timed out or connected again, a follower looks in the same way each time: what is stored
is the truth, the ring only says when to look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from ..conf import settings
from ..postgres import Asked
from .awaited_moments import Moments
from .doorbell import Doorbell

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
    # Whether the last look has left nothing that is known of.
    may_rest = True

    def __init__(self, bell: Doorbell, stopped: threading.Event, moments: Moments) -> None:
        self.bell = bell
        self._stopped = stopped
        self._moments = moments
        self._has_looked = False

    def look(self, rung: bool = False, once: bool = False) -> bool:
        """Handle what is new; whether there was anything.

        Args:
            rung: somebody has said that there is something.
            once: return after one look, though there be more.
        """
        raise NotImplementedError

    def peek(self) -> Sequence[Asked]:
        """Questions whose answers show ``is_quiet`` whether there is anything; none: look."""
        return ()

    def is_quiet(self, answers: Sequence[Sequence[Any]]) -> bool:
        """Whether there is nothing to look at, by the answers to ``peek``."""
        return False

    def nap(self) -> float:
        """The time to wait for a ring, in seconds, before ``unasked``."""
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
            if self._has_looked:
                self._has_looked = False
            elif self.look():
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
        uncertain, answers = self.bell.asleep(*self.peek())
        is_quiet, pause = self.is_quiet(answers), CLOSE_POLL
        try:
            # One look: while the flag says asleep, everybody rings.
            while (is_quiet or not self.look(once=True)) and not self.stopping:
                if not uncertain:
                    return self.wait_for_ring()
                is_quiet = False
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
                self._has_looked = self.may_rest
                return True
            if not self.stopping and self.unasked():
                return True
        return False
