"""How several listeners share the shards: evenly, taking over from the dead and the silent.

A shard belongs to whoever holds its session advisory lock. Each listener counts who lives, owns
its fair part and lets go of more; a dead listener's locks are free at once, a silent one's
connection is ended, and fencing keeps it from writing what it still has in hand.
"""

from __future__ import annotations

import logging
from typing import Any

import psycopg

from ..conf import settings
from . import shard as listener_shard
from .shard import OwnedShard

logger = logging.getLogger("kck_publish")

_BEAT = """
UPDATE kck_publish_listener SET seen_at = clock_timestamp(), busy_until = NULL, shards = %s,
       seat_belt = %s, audited = %s, differing = %s
 WHERE id = %s
"""
_BREATHE = """
UPDATE kck_publish_listener SET seen_at = clock_timestamp(),
       busy_until = clock_timestamp() + make_interval(secs => %s)
 WHERE id = %s
"""
# Rows of listeners whose connection is gone: nobody need ring for them.
_BURY = """
DELETE FROM kck_publish_listener l
 WHERE kind <> 'quiet' AND NOT EXISTS (SELECT FROM pg_stat_activity a
                    WHERE a.pid = l.backend AND a.backend_start <= l.started_at)
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

    def bury(self) -> None:
        """Forget the listeners that have died."""
        self._desk.execute(_BURY)

    def beat(self, listener: int, seat_belt: int, audited: tuple[int, int] = (0, 0)) -> None:
        """Give a sign of life, and end the connections of those who give none."""
        self._desk.execute(_BEAT, [sorted(self._owned), seat_belt, *audited, listener])
        for name, ended in self._desk.execute(_SILENT, [settings.SILENCE, listener]).fetchall():
            if ended:
                logger.warning("Listener %s is silent: its shards are taken from it.", name)
        self.bury()

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
        listener_shard.agree(self._desk, shards)
        fair = shards if alone else -(-shards // max(1, self._living()))
        part = fair if self._most is None else min(fair, self._most)
        for shard in sorted(self._owned, reverse=True)[: max(0, len(self._owned) - part)]:
            listener_shard.release(self._desk, self._owned.pop(shard))
        taken = []
        for shard in range(shards):
            if len(self._owned) >= part:
                break
            if shard not in self._owned and (
                place := listener_shard.take(self._desk, shard, shards)
            ):
                self._owned[shard] = place
                taken.append(place)
        return taken

    @property
    def wants_more(self) -> bool:
        """Whether it owns fewer shards than it may."""
        shards = settings.SHARDS
        most = shards if self._most is None else min(self._most, shards)
        return len(self._owned) < most

    def _living(self) -> int:
        row = self._desk.execute(_LIVING).fetchone()
        return int(row[0]) if row else 0
