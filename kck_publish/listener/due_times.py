"""The times at which a worker has something to do that no change asks for: retries and ticks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import psycopg
from django.db import connections

from ..clock import now
from ..conf import settings
from ..postgres import Asked
from ..products import registry
from ..refresh import failures, schedule
from .shard import OwnedShard

# A clock that is set right by less is not noticed, in seconds.
NOTICED = 60.0


class DueTimes:
    """The next retry and the next tick of one worker. When it begins, what is due ticks.

    Args:
        desk: the connection on which it asks.
        owned: the worker's shards, as they are at each moment.
    """

    def __init__(self, desk: psycopg.Connection[Any], owned: Mapping[int, OwnedShard]) -> None:
        self._desk = desk
        self._owned = owned
        self._tick: datetime | None = None
        self._offset = _offset()
        self._plan()
        self._retry: datetime | None = None
        self._knows_retry = False

    @property
    def is_tick_due(self) -> bool:
        """Whether a timetable asks for a refresh by now."""
        return self._tick is not None and self._tick <= now()

    def tick(self) -> None:
        """Ask for what the timetables want by now."""
        before, self._offset = self._offset, _offset()
        if self._offset < before - NOTICED:
            self._plan()
        else:
            self._tick = schedule.tick()

    def _plan(self) -> None:
        """Plan anew what a clock that was ahead has put off: it might not come for years."""
        schedule.plan()
        with connections[settings.DATABASE].cursor() as cursor:
            failures.hasten(cursor)
        self._knows_retry = False
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


def _offset() -> float:
    """The clock beside one that nobody sets."""
    return now().timestamp() - time.monotonic()
