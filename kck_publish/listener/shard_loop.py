"""The loop of a listener: when it looks, and for how long it may sleep."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from ..clock import now
from ..following.awaited_moments import Moments
from ..following.doorbell import Doorbell
from ..following.loop import BEAT, Loop
from ..postgres import Asked
from .worker import Worker


class ShardLoop(Loop):
    """The loop of a listener: a look drains its shards."""

    def __init__(
        self, worker: Worker, bell: Doorbell, stopped: threading.Event, moments: Moments
    ) -> None:
        super().__init__(bell, stopped, moments)
        self.worker = worker
        self._due: datetime | None = None

    def look(self, rung: bool = False, once: bool = False) -> bool:
        """Drain, or do one batch of what somebody has rung for; whether there may be more."""
        outcome = self.worker.drain(rounds=1 if once or rung else None, rung=rung)
        self.may_rest, self.changes = self.worker.may_rest, outcome.changes
        return outcome.changes > 0 or self.worker.has_backlog

    def peek(self) -> Sequence[Asked]:
        """Whether there is anything to do for each shard, and when the next retry is due."""
        queries = self.worker.peek()
        return [*queries, self.worker.due.retry_query()] if queries else []

    def is_quiet(self, answers: Sequence[Sequence[Any]]) -> bool:
        """Nothing, for any; and the time of the next retry is known, too."""
        if not answers:
            return False
        *waits, ((retry,),) = answers
        self.worker.due.note_retry(retry)
        return not any(row[0] for rows in waits for row in rows)

    @property
    def needs_rings(self) -> bool:
        """Not without shards."""
        return bool(self.worker.owned)

    @property
    def seen(self) -> Iterable[str]:
        """The place of each shard."""
        return (place.done for place in self.worker.owned.values())

    def nap(self) -> float:
        """Until the next sign of life, retry or tick, in seconds."""
        self._due = self.worker.due.next()
        if self._due is None:
            return BEAT
        return max(0.0, min(BEAT, (self._due - now()).total_seconds()))

    def unasked(self) -> bool:
        """Whether something is due or put aside, or the seat belt has found a change."""
        is_due = self._due is not None and self._due <= now()
        return is_due or self.worker.unasked(self.bell) or not self.worker.may_rest
