"""Says how far each owned shard has come: what the lag is told by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...log.reader import ANY_UNSEEN
from ...postgres import Asked
from .service import Budget, Owned

# Nothing is unhandled that was committed before this statement began: it sees all of that.
_FOLLOWED = f"""
UPDATE kck_publish_shard SET seen_at = clock_timestamp(), caught_up_at = CASE
       WHEN done::text = %(since)s AND NOT ({ANY_UNSEEN}) THEN statement_timestamp()
       ELSE caught_up_at END
 WHERE shard = %(shard)s AND epoch = %(epoch)s
"""


class Progress:
    """The progress of one listener's shards."""

    def __init__(self, owned: Owned) -> None:
        self._owned = owned

    def queries(self) -> list[Asked]:
        """Say of each shard that it is caught up, or at least that it is followed."""
        return [
            (_FOLLOWED, {"shard": place.shard, "epoch": place.epoch, "since": place.done})
            for place in self._owned.values()
        ]

    def answered(self, answers: Sequence[Sequence[Any]]) -> None:
        """Nothing comes of it."""

    def beat(self, budget: Budget) -> None:
        """All is said."""

    def close(self) -> None:
        """Nothing runs in the background."""
