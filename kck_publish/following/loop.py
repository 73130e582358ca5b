"""The loop of all followers: look, linger, fall asleep, wait for a ring, look, and sleep on.

Asleep it has each change ring, one by one. Where they come faster than it looks it gets up, so that
nobody need ring, and looks again and again. Rung for, timed out or connected again, a follower
looks in the same way each time: what is stored is the truth, the ring only says when to look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from ..conf import settings
from ..log.snapshot import Snapshot
from ..postgres import Asked
from .awaited_moments import Moments
from .doorbell import Doorbell

# Looks right after a change are this close together, in seconds; they widen to AWAKE_POLL.
CLOSE_POLL = 0.001
# After so many changes, or rings, in a row of a busy load it gets up: a ring had come by the end of
# the look before, or somebody else was writing at that look. Whoever rings holds a lock of the
# whole cluster until the commit is on the disk, so several writers would wait for each other.
BUSY = 8
# A ring that is waited for no longer than this had come before, in seconds.
AT_ONCE = 0.0003
# Then it lingers, for the first of these after the last change, during the second; in seconds.
LINGER_BUSY, BUSY_FOR = 0.2, 10.0
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
    # The number of changes at the last look, where it is known.
    changes = 1
    # Whether it sleeps on after a ring that it has looked for.
    sleeps_on = True

    def __init__(self, bell: Doorbell, stopped: threading.Event, moments: Moments) -> None:
        self.bell = bell
        self._stopped = stopped
        self._moments = moments
        self._has_looked = False
        self._busy_until = 0.0

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

    @property
    def seen(self) -> Iterable[str]:
        """The snapshots up to which the last look has handled what there was."""
        return ()

    @property
    def is_crowded(self) -> bool:
        """Whether others were writing at the last look."""
        return any(Snapshot.parse(snapshot).running for snapshot in self.seen)

    @property
    def linger(self) -> float:
        """How long it stays awake after the last change, in seconds."""
        is_busy = time.monotonic() < self._busy_until
        return max(settings.LINGER, LINGER_BUSY) if is_busy else settings.LINGER

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
            if time.monotonic() - last < self.linger or not self.bell.can_sleep:
                self.bell.pause(pause)
                pause = min(pause * 1.2, settings.AWAKE_POLL)
            elif not self.needs_rings:
                self.bell.pause(BEAT)
            elif self.sleep():
                last, pause = time.monotonic(), CLOSE_POLL

    def sleep(self) -> bool:
        """Fall asleep, and wake up for a reason: True when there may be a change."""
        uncertain, answers = self.bell.asleep(*self.peek())
        is_quiet, pause = self.is_quiet(answers), CLOSE_POLL
        try:
            # One look: while the flag says asleep, everybody rings.
            while (is_quiet or not self.look(once=True)) and not self.stopping:
                if not uncertain and (is_quiet or self.may_rest):
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
        """Wait, look at once when somebody rings, and wait again; whether there may be more.

        While changes come one by one they ring: that is sooner than the next of many looks, and
        costs less. It gets up when the load is busy, or when a look leaves something.
        """
        busy = 0
        while not self.stopping and busy < BUSY:
            self._moments.asleep.happens()
            began = time.monotonic()
            if self.bell.wait(self.nap()):
                at_once = time.monotonic() - began < AT_ONCE
                self.look(rung=self.bell.others_rang)
                busy = busy + max(1, self.changes) if at_once or self.is_crowded else 0
                if not (self.sleeps_on and self.may_rest):
                    self._has_looked = self.may_rest
                    return True
            elif not self.stopping and self.unasked():
                return True
        self._busy_until = time.monotonic() + BUSY_FOR
        return not self.stopping
