"""Keeps the change log and the near stores' journal short."""

from __future__ import annotations

from ...conf import settings
from ...log.trim import TRIMMED, Trimming
from ...stores.near import journal
from .service import Budget, Desk, Owned

# A near store whose follower is silent for so long, in seconds, begins anew; or for RETENTION.
LONG_SILENCE = 60.0


class Trimmer:
    """The owner of the first shard trims, for all."""

    def __init__(self, desk: Desk, owned: Owned) -> None:
        self._desk = desk
        self._owned = owned
        self._trimming = Trimming(settings.RETENTION.total_seconds())

    def beat(self, budget: Budget) -> None:
        """Delete what all have seen, for as long as there is time."""
        if 0 not in self._owned:
            return
        with self._desk.cursor() as cursor:
            journal.trim(cursor, max(LONG_SILENCE, settings.RETENTION.total_seconds()))
            while self._trimming.trim(cursor) == TRIMMED and not budget.is_spent:
                pass

    def close(self) -> None:
        """Nothing runs in the background."""
