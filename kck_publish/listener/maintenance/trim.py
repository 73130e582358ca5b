"""Keeps the change log and the near stores' journal short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...conf import settings
from ...log.consumers import CURSORS
from ...log.trim import TRIMMED, Trimming
from ...postgres import Asked
from ...stores.near import journal
from .service import Budget, Desk, Owned

# A near store whose follower is silent for so long, in seconds, begins anew; or for RETENTION.
LONG_SILENCE = 60.0


class Trimmer:
    """The owner of the first shard trims, for all."""

    def __init__(self, desk: Desk, owned: Owned) -> None:
        self._desk = desk
        self._owned = owned
        self._cursors: list[str] = []
        self._trimming = Trimming(settings.RETENTION.total_seconds())

    def queries(self) -> list[Asked]:
        """Trim the journal; ask up to where the log is read."""
        if 0 not in self._owned:
            return []
        silence = max(LONG_SILENCE, settings.RETENTION.total_seconds())
        return [CURSORS, *journal.trim_queries(silence)]

    def answered(self, answers: Sequence[Sequence[Any]]) -> None:
        """Keep the cursors of the log."""
        self._cursors = [row[0] for row in answers[0]] if answers else []

    def beat(self, budget: Budget) -> None:
        """Delete what all have seen of the log, for as long as there is time."""
        known, self._cursors = self._cursors, []
        if 0 not in self._owned or not known:
            return
        with self._desk.cursor() as cursor:
            while self._trimming.trim(cursor, known) == TRIMMED and not budget.is_spent:
                pass

    def close(self) -> None:
        """Nothing runs in the background."""
