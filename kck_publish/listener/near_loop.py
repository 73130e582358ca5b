"""The loop of the near store's follower, and the thread in which it may run."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..conf import settings
from ..following.awaited_moments import Moments
from ..following.doorbell import Doorbell
from ..following.loop import CLOSE_POLL, LINGER_BUSY, Loop
from ..following.process import close_thread

if TYPE_CHECKING:
    from .near_follower import NearFollower


class NearLoop(Loop):
    """The loop of the near store's follower: a look copies what was written.

    It gets up at the first ring, and lingers: a ring tells of a change whose values are only being
    computed, and whoever stores them nudges.
    """

    sleeps_on = False

    def __init__(
        self,
        follower: NearFollower,
        file: Any,
        bell: Doorbell,
        stopped: threading.Event,
        moments: Moments,
    ) -> None:
        super().__init__(bell, stopped, moments)
        self._follower = follower
        self._file = file

    def look(self, rung: bool = False, once: bool = False) -> bool:
        """Copy what was written since the last look; whether there was anything."""
        nudged = self._follower.take_nudge()
        # A thread that nudges nudges again: a look in between would only be in its way.
        self.first_pause = settings.AWAKE_POLL if nudged else CLOSE_POLL
        copied = self._follower.look(self._file)
        self._follower.announce()
        return copied

    @property
    def linger(self) -> float:
        """Long enough for the next nudge of a load that never pauses."""
        return max(settings.LINGER, LINGER_BUSY)

    def nap(self) -> float:
        """Often enough to renew the lease."""
        return self._follower.nap

    def unasked(self) -> bool:
        """Look, and renew the lease."""
        return self.look()


def _run(near: NearFollower) -> None:
    try:
        near.run()
    finally:
        close_thread()  # a store outside asks the database for its generation


@contextmanager
def following(near: NearFollower | None) -> Iterator[None]:
    """Follow in a thread of its own while the block runs."""
    if near is None:
        yield
        return
    run = partial(contextvars.copy_context().run, _run, near)
    thread = threading.Thread(target=run, name="kck_publish near store")
    thread.start()
    try:
        yield
    finally:
        near.stop()
        thread.join()
