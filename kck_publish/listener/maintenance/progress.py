"""Says how far each owned shard has come: what the lag is told by."""

from __future__ import annotations

from ...log.reader import ANY_UNSEEN
from .service import Budget, Desk, Owned

# Nothing is unhandled that was committed before this statement began: it sees all of that.
_CAUGHT_UP = f"""
UPDATE kck_publish_shard SET caught_up_at = statement_timestamp(), seen_at = clock_timestamp()
 WHERE shard = %(shard)s AND epoch = %(epoch)s AND done::text = %(since)s AND NOT ({ANY_UNSEEN})
"""
_ALIVE = "UPDATE kck_publish_shard SET seen_at = clock_timestamp() WHERE shard = %s AND epoch = %s"


class Progress:
    """The progress of one listener's shards."""

    def __init__(self, desk: Desk, owned: Owned) -> None:
        self._desk = desk
        self._owned = owned

    def beat(self, budget: Budget) -> None:
        """Say of each shard that it is caught up, or at least that it is followed."""
        with self._desk.cursor() as cursor:
            for place in self._owned.values():
                parameters = {"shard": place.shard, "epoch": place.epoch, "since": place.done}
                cursor.execute(_CAUGHT_UP, parameters)
                if cursor.rowcount == 0:
                    cursor.execute(_ALIVE, [place.shard, place.epoch])

    def close(self) -> None:
        """Nothing runs in the background."""
