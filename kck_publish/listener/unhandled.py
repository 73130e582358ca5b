"""The shards that have not handled what a snapshot sees: what ``--once`` waits for."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import psycopg

from ..log import reader
from ..log.snapshot import Snapshot

_PLACES = """
SELECT shard, done::text, EXISTS (SELECT FROM kck_publish_backlog b WHERE b.shard = s.shard)
  FROM kck_publish_shard s
"""


def unhandled(desk: psycopg.Connection[Any], shards: Set[int], goal: Snapshot) -> list[int]:
    """Those of these shards that have not handled what the snapshot sees."""
    with desk.cursor() as cursor:
        cursor.execute(_PLACES)
        handled = {
            shard
            for shard, done, is_aside in cursor.fetchall()
            if not is_aside
            and (Snapshot.parse(done).includes(goal) or not reader.any_unseen(cursor, done))
        }
    return sorted(shards - handled)
