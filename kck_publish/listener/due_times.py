"""The times at which a worker has something to do that no change asks for: retries and ticks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psycopg

from ..clock import now
from ..conf import settings
from ..postgres import Asked
from ..products import registry
from ..refresh import failures, schedule
from .shard import OwnedShard


class DueTimes:
    """The next retry and the next tick of one worker. When it begins, what is due ticks.

    Args:
        desk: the connection on which it asks.
        owned: the worker's shards, as they are at each moment.
    """

    def __init__(self, desk: psycopg.Connection[Any], owned: Mapping[int, OwnedShard]) -> None:
        self._desk = desk
        self._owned = owned
        self._tick = schedule.tick()
        self._retry: datetime | None = None
        self._knows_retry = False

    @property
    def is_tick_due(self) -> bool:
        """Whether a timetable asks for a refresh by now."""
        return self._tick is not None and self._tick <= now()

    def tick(self) -> None:
        """Ask for what the timetables want by now."""
        self._tick = schedule.tick()

    def next(self) -> datetime | None:
        """The time of the next retry or tick."""
        if not self._knows_retry:
            row = self._desk.execute(*self.retry_query()).fetchone()
            self.note_retry(row[0] if row else None)
        held = [place.retries_from for place in self._owned.values() if place.retries_from]
        retry = max(self._retry, min(held)) if self._retry and held else self._retry
        dues = (retry, self._tick)
        return min((due for due in dues if due is not None), default=None)

    def retry_query(self) -> Asked:
        """Asks the time of the next retry, for who sends it with others; then ``note_retry``."""
        return failures.next_query(self._owned, settings.SHARDS, registry.graph().fingerprints)

    def note_retry(self, retry: datetime | None) -> None:
        """The next retry of what failed so far is then. (Who asks for one sooner rings.)"""
        self._retry, self._knows_retry = retry, True

    def forget_retry(self) -> None:
        """Other keys may have failed: the next retry may be sooner than it was."""
        self._knows_retry = False
