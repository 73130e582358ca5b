"""Keeps the history: what was done by product and minute, summed here, written once a minute."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime

import psycopg

from ...clock import now
from ...conf import settings
from ...refresh.batch_counts import COLUMNS, Tally
from .service import Budget, Desk, Owned

# Seconds between two trims, and how many rows one deletes at the most.
PAUSE, PORTION = 600.0, 5_000

_SUMS = ", ".join(
    f"{name} = greatest(h.{name}, excluded.{name})"
    if name.endswith("_max")
    else f"{name} = h.{name} + excluded.{name}"
    for name in COLUMNS
)
_ADD = f"""
INSERT INTO kck_publish_history AS h (product, minute, {", ".join(COLUMNS)})
VALUES (%s, %s, {", ".join(["%s"] * len(COLUMNS))})
ON CONFLICT (product, minute) DO UPDATE SET {_SUMS}
"""
_TRIM = f"""
DELETE FROM kck_publish_history WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM kck_publish_history
     WHERE minute < clock_timestamp() - make_interval(secs => %s) ORDER BY minute LIMIT {PORTION}))
"""


class History:
    """One listener's part of it. What is not yet written when the connection is lost is lost."""

    def __init__(self, desk: Desk, owned: Owned) -> None:
        self._desk = desk
        self._owned = owned
        self._minutes: dict[datetime, dict[str, Tally]] = {}
        self._trimmed = float("-inf")

    def add(self, tallies: Mapping[str, Tally]) -> None:
        """Add what a batch has done."""
        if not tallies or settings.HISTORY is None:
            return
        minute = self._minutes.setdefault(now().replace(second=0, microsecond=0), {})
        for product, tally in tallies.items():
            if product in minute:
                minute[product].add(tally)
            else:
                minute[product] = tally

    def beat(self, budget: Budget) -> None:
        """Write the minutes that are over; trim now and then."""
        if self._minutes:
            current = now().replace(second=0, microsecond=0)
            if any(minute < current for minute in self._minutes):
                self._write()
        if 0 in self._owned and time.monotonic() - self._trimmed > PAUSE:
            self._trim(budget)

    def _write(self) -> None:
        minutes, self._minutes = self._minutes, {}
        rows = [
            (product, minute, *(getattr(tally, name) for name in COLUMNS))
            for minute, tallies in minutes.items()
            for product, tally in sorted(tallies.items())  # as others do: no deadlock
        ]
        with self._desk.transaction(), self._desk.cursor() as cursor:
            cursor.executemany(_ADD, rows)

    def _trim(self, budget: Budget) -> None:
        if settings.HISTORY is not None:
            with self._desk.cursor() as cursor:
                while cursor.execute(_TRIM, [settings.HISTORY.total_seconds()]).rowcount == PORTION:
                    if budget.is_spent:
                        return
        self._trimmed = time.monotonic()

    def close(self) -> None:
        """Write what there is, if the connection still holds."""
        if self._minutes and not self._desk.closed:
            try:
                self._write()
            except psycopg.Error:
                self._minutes = {}
