"""The claim of a batch: made before anybody looks which keys are stored (see ``reading.claims``).

It goes with the first questions that the batch asks, and is committed when they are answered.
"""

from __future__ import annotations

from typing import Any

import psycopg

from .. import stores
from ..exceptions import Fenced
from ..postgres import Asked
from ..round_trip import Answer, RoundTrip, answers, together
from .shard import OwnedShard

_CLAIM = "UPDATE kck_publish_shard SET claimed = %s WHERE shard = %s AND epoch = %s"


class Claim:
    """The desk of one batch, with the claim that is still to be made.

    Args:
        desk: the worker's own connection, in autocommit.
        place: the shard and its cursor.
        until: the batch's snapshot: what is claimed.
    """

    def __init__(self, desk: psycopg.Connection[Any], place: OwnedShard, until: str) -> None:
        self._desk = desk
        self._is_made = False
        self.place = place
        self.until = until

    @property
    def desk(self) -> psycopg.Connection[Any]:
        """The desk, once the claim is made. Raises Fenced."""
        self.ask()
        return self._desk

    def ask(self, *queries: Asked) -> list[list[Any]]:
        """The rows of several queries, for one wait; the claim is made before.

        Raises:
            Fenced: the shard has moved to another worker.
        """
        if self._is_made:
            return answers(self._desk, queries) if queries else []
        with together(self._desk) as trip:
            claimed = self._claimed(trip)
            given = [trip.execute(*query) for query in queries]
        if claimed.rowcount == 0:
            raise Fenced(self.place.shard)
        self._is_made = True
        return [answer.fetchall() for answer in given]

    def _claimed(self, trip: RoundTrip) -> Answer:
        trip.execute("BEGIN")
        if stores.current().outlives_crash:
            # What is written there survives a crash of this server. So must the numbers of the
            # transactions that its stamps name: after a crash they would be given a second time.
            trip.execute("SET LOCAL synchronous_commit = on")
        claimed = trip.execute(_CLAIM, [self.until, self.place.shard, self.place.epoch])
        trip.execute("COMMIT")
        return claimed
