"""The lag of the shards: the age of the oldest committed change that a shard has not handled.

A row of the log says when it was written, not when it was committed, and a transaction may have
been open for long. So three things are known of a commit: it came after the row was written, after
the moment up to which the shard's owner has seen everything (``caught_up_at``, moved with each
batch and each sign of life), and, under ``track_commit_timestamp``, when it came. The latest of
these counts: at the most as long before the truth as the owner's last sign of life.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import clock
from ..postgres import Cursor

# So many unhandled rows are looked at. If there are more, the owner's last word is taken: the lag
# may then be said too long, never too short, and a reader's look stays cheap.
LOOKED_AT = 500
_COMMITTED = """
CASE current_setting('track_commit_timestamp')
     WHEN 'on' THEN coalesce(pg_xact_commit_timestamp(xid::xid), at) ELSE at END
"""
LAGS = f"""
SELECT s.shard, s.shards, extract(epoch FROM clock_timestamp() + %(moved)s - CASE
           WHEN s.forgotten THEN coalesce(s.caught_up_at, s.seen_at)
           WHEN late.seen = {LOOKED_AT} OR later.seen = {LOOKED_AT}
               THEN coalesce(s.caught_up_at, least(late.since, later.since))
           WHEN late.seen + later.seen > 0
               THEN greatest(s.caught_up_at, least(late.since, later.since))
       END)::float AS lag,
       extract(epoch FROM clock_timestamp() + %(moved)s - aside.since)::float AS aside
  FROM kck_publish_shard s
 CROSS JOIN LATERAL (
    SELECT min(at) AS since FROM kck_publish_backlog b
     WHERE b.shard = s.shard AND (%(under)s::text[] IS NULL OR b.name = ANY (%(under)s))) aside
 CROSS JOIN LATERAL (
    SELECT min(committed) AS since, count(*) AS seen
      FROM (SELECT {_COMMITTED} AS committed FROM kck_publish_change
             WHERE xid >= pg_snapshot_xmax(s.done) ORDER BY xid LIMIT {LOOKED_AT}) looked) later
 CROSS JOIN LATERAL (
    SELECT min(committed) AS since, count(*) AS seen
      FROM (SELECT {_COMMITTED} AS committed FROM kck_publish_change
             WHERE xid = ANY (kck_publish_running_v1(s.done)) LIMIT {LOOKED_AT}) looked) late
"""
# Where no shard has ever been owned. What a test has drained in its own transaction is handled.
UNFOLLOWED = f"""
SELECT extract(epoch FROM clock_timestamp() + %(moved)s - min(since))::float AS lag
  FROM (SELECT {_COMMITTED} AS since FROM kck_publish_change
         WHERE seq > coalesce(nullif(current_setting('kck_publish.drained', true), ''),
                              '0')::bigint
         ORDER BY xid LIMIT {LOOKED_AT}) looked
"""


@dataclass(frozen=True)
class Lags:
    """The lag of each shard, in seconds, by its number; of the whole log where none is owned."""

    by_shard: dict[int, float]
    shards: int
    unfollowed: float

    def of_shard(self, shard: int) -> float:
        """The lag of one shard."""
        return self.by_shard.get(shard, self.unfollowed)

    @property
    def longest(self) -> float:
        """The lag of the shard that is the most behind."""
        return max([self.unfollowed, *self.by_shard.values()])


def lags(cursor: Cursor, under: Sequence[str] | None = None) -> Lags:
    """The lag of each shard: one query, two looks into an index for each shard.

    Args:
        under: of what a shard has put aside, only that of these sources and products counts.
    """
    moved: dict[str, Any] = {"moved": clock.moved(), "under": under}
    cursor.execute(LAGS, moved)
    found = lags_of(cursor.fetchall())
    if len(found.by_shard) >= found.shards:
        return found
    cursor.execute(UNFOLLOWED, moved)
    return replace(found, unfollowed=max(0.0, cursor.fetchone()[0] or 0.0))


def lags_of(
    rows: Sequence[tuple[int, int, float | None, float | None]], unfollowed: float | None = None
) -> Lags:
    """The lags that ``LAGS`` has found.

    Args:
        unfollowed: what ``UNFOLLOWED`` has, in seconds, if that was asked.
    """
    shards = rows[0][1] if rows else 1
    by_shard = {shard: max(0.0, lag or 0.0, aside or 0.0) for shard, _, lag, aside in rows}
    complete = len(by_shard) >= shards
    return Lags(by_shard, shards, 0.0 if complete else max(0.0, unfollowed or 0.0))
