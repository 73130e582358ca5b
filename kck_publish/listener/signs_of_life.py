"""A worker's signs of life: to the other listeners and to who supervises it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from ..following.loop import BEAT
from ..following.process import Stopping
from .assignment import Assignment
from .heartbeat import Heartbeat

# Told to stop, a batch may go on for so long, in seconds, before it is given up between two keys.
GRACE = 1.0


class SignsOfLife:
    """The signs of life of one worker.

    Args:
        heartbeat: beats for those who look from outside.
        assignment: writes the signs that the other listeners read.
        stopped: set when the worker is to end.
    """

    def __init__(
        self, heartbeat: Heartbeat, assignment: Assignment, stopped: threading.Event
    ) -> None:
        self._heartbeat = heartbeat
        self._assignment = assignment
        self._stopped = stopped
        self._beat = self._breath = self._busy_until = self._stop_seen = 0.0

    def beat(self, shards: Iterable[int]) -> bool:
        """Beat between two batches, if that is due; whether it was. The caller writes the rest."""
        moment = time.monotonic()
        if moment - self._beat < BEAT:
            return False
        self._beat = self._busy_until = moment
        self._heartbeat.beat()
        self._heartbeat.shards = sorted(shards)
        return True

    def breathe(self, listener: int | None, seconds: float = 0.0) -> None:
        """Give a sign of life in the middle of a batch: a long one is not a silent one.

        Args:
            listener: the id of its row; None: it has none, and gives no sign of life.
            seconds: for so long there may be no further one: a compute is cut off after them.

        Raises:
            Stopping: it is to end, and the batch takes long: the next start repeats it.
        """
        if listener is None:
            return
        moment = time.monotonic()
        if self._stopped.is_set():
            self._stop_seen = self._stop_seen or moment
            if moment - self._stop_seen >= GRACE:
                raise Stopping
        last = max(self._breath, self._beat)
        if moment - last > BEAT or moment + seconds - self._busy_until > BEAT:
            self._breath, self._busy_until = moment, moment + seconds
            self._heartbeat.beat(seconds)
            self._assignment.breathe(listener, seconds)
