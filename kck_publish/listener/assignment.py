"""The assignment of shards to listeners: evenly, taking over from the dead and the silent.

A shard belongs to whoever holds its session advisory lock. Each listener counts who lives, owns
its fair part and lets go of more; a dead listener's locks are free at once, a silent one's
connection is ended, and fencing keeps it from writing what it still has in hand.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import psycopg
from django.dispatch import Signal

from .. import signals, stores
from ..conf import settings
from ..following.doorbell import listener_name
from ..following.process import see_listed
from ..log.cluster import CLUSTER
from ..postgres import Asked
from ..round_trip import answers
from . import shard as listener_shard
from .shard import OwnedShard

logger = logging.getLogger("kck_publish")

_BEAT = """
UPDATE kck_publish_listener SET seen_at = clock_timestamp(), busy_until = NULL, shards = %s,
       seat_belt = %s, audited = %s, differing = %s
 WHERE id = %s RETURNING true
"""
_BREATHE = """
UPDATE kck_publish_listener SET seen_at = clock_timestamp(),
       busy_until = clock_timestamp() + make_interval(secs => %s)
 WHERE id = %s
"""
# Rows of listeners whose connection is gone: nobody need ring for them. When the session of another
# role began is not shown to everybody: then one that has given no sign of life is taken for gone.
_BURY = """
DELETE FROM kck_publish_listener l
 WHERE kind <> 'quiet' AND NOT EXISTS (
       SELECT FROM pg_stat_activity a
        WHERE a.pid = l.backend AND CASE WHEN a.backend_start IS NULL
              THEN greatest(l.seen_at, l.busy_until) > clock_timestamp() - make_interval(secs => %s)
              ELSE a.backend_start <= l.started_at END)
"""
# A dead one's process id may be another session's by now, which began after it. A Follower owns no
# shards, and its own code may take as long as it likes.
_SILENT = """
SELECT l.name, pg_terminate_backend(a.pid) FROM kck_publish_listener l
  JOIN pg_stat_activity a ON a.pid = l.backend AND a.backend_start <= l.started_at
 WHERE greatest(l.seen_at, l.busy_until) < clock_timestamp() - make_interval(secs => %s)
   AND l.id <> %s AND l.kind <> 'follower'
"""
_LIVING = "SELECT count(*) FROM kck_publish_listener WHERE kind = 'listener'"
# With whether all shards are of this cluster and of so many.
_STATE = f"""
SELECT ({_LIVING}), NOT EXISTS (
    SELECT FROM kck_publish_shard WHERE shards <> %s OR cluster <> {CLUSTER})
"""


class Assignment:
    """Which shards one listener owns.

    Args:
        desk: the connection that holds the locks.
        owned: the shards that are owned; changed here.
        most: how many to own at the most; None for no limit.
    """

    def __init__(
        self, desk: psycopg.Connection[Any], owned: dict[int, OwnedShard], most: int | None
    ) -> None:
        self._desk = desk
        self._owned = owned
        self._most = most
        # How many listeners live, and the shards agree, by the last beat.
        self._known: int | None = None

    def bury(self) -> None:
        """Forget the listeners that have died."""
        self._desk.execute(_BURY, [settings.SILENCE])

    def beat(self, listener: int, seat_belt: int, audited: tuple[int, int] = (0, 0)) -> None:
        """Give a sign of life, and end the connections of those who give none."""
        self.beaten(answers(self._desk, self.beat_queries(listener, seat_belt, audited)))

    def beat_queries(
        self, listener: int, seat_belt: int, audited: tuple[int, int] = (0, 0)
    ) -> list[Asked]:
        """The statements of a beat, for who sends them with others; then ``beaten``."""
        return [
            (_BEAT, [sorted(self._owned), seat_belt, *audited, listener]),
            (_SILENT, [settings.SILENCE, listener]),
            (_BURY, [settings.SILENCE]),
            (_STATE, [settings.SHARDS]),
        ]

    def beaten(self, answers: Sequence[Sequence[Any]]) -> None:
        """The answers to ``beat_queries``. Raises UnlistedError."""
        alive, silent, _, ((living, agreed),) = answers
        see_listed(len(alive))
        for name, ended in silent:
            if ended:
                logger.warning("Listener %s is silent: its shards are taken from it.", name)
        self._known = living if agreed else None

    def breathe(self, listener: int, seconds: float = 0.0) -> None:
        """Give a sign of life from within a batch; there may be none for so long."""
        self._desk.execute(_BREATHE, [seconds, listener])

    def balance(self, alone: bool = False) -> list[OwnedShard]:
        """Let go of more than the fair part, and take what is free up to it.

        Args:
            alone: whether nobody else counts (``--once``).

        Returns:
            the shards that were taken.
        """
        shards = settings.SHARDS
        living, self._known = self._known, None
        if living is None:  # else a beat has just asked
            listener_shard.agree(self._desk, shards)
        if stores.current().examine(self._desk):  # and the eager products are primed anew
            while self._owned:
                listener_shard.release(self._desk, self._owned.popitem()[1])
        fair = (
            shards if alone else -(-shards // max(1, self._living() if living is None else living))
        )
        part = fair if self._most is None else min(fair, self._most)
        for shard in sorted(self._owned, reverse=True)[: max(0, len(self._owned) - part)]:
            listener_shard.release(self._desk, self._owned.pop(shard))
            self.announce(signals.shard_left, shard, "another listener's part")
        taken = []
        for shard in range(shards):
            if len(self._owned) >= part:
                break
            if shard not in self._owned and (
                place := listener_shard.take(self._desk, shard, shards)
            ):
                self._owned[shard] = place
                taken.append(place)
                self.announce(signals.shard_taken, shard, "nobody's")
        return taken

    @staticmethod
    def announce(signal: Signal, shard: int, reason: str) -> None:
        """Tell that a shard was taken or left."""
        signal.send_robust(
            None, using=settings.DATABASE, name=listener_name(), shard=shard, reason=reason
        )

    @property
    def wants_more(self) -> bool:
        """Whether it owns fewer shards than it may."""
        shards = settings.SHARDS
        most = shards if self._most is None else min(self._most, shards)
        return len(self._owned) < most

    def _living(self) -> int:
        row = self._desk.execute(_LIVING).fetchone()
        return int(row[0]) if row else 0
