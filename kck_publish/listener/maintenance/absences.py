"""Removes answers that there is none whose time has passed (see ``ABSENT_FOR``)."""

from __future__ import annotations

import time

from ... import stores
from .service import Budget, Desk, Owned

# Seconds between two looks, and how many are removed at once.
PAUSE, PORTION = 10.0, 500


class Absences:
    """The owner of the first shard removes them, for all."""

    def __init__(self, desk: Desk, owned: Owned) -> None:
        self._desk = desk
        self._owned = owned
        self._looked = float("-inf")

    def beat(self, budget: Budget) -> None:
        """Remove what is too old, for as long as there is time; now and then."""
        if 0 not in self._owned or time.monotonic() - self._looked < PAUSE:
            return
        table = stores.current().table
        with self._desk.cursor() as cursor:
            while table.expire_absent(cursor, PORTION) == PORTION:
                if budget.is_spent:
                    return
        self._looked = time.monotonic()

    def close(self) -> None:
        """Nothing runs in the background."""
