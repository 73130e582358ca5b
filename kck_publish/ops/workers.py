"""The shards and the listeners, as the library's tables and the server's locks show them."""

from __future__ import annotations

from typing import Any

from ..log.connected_listeners import CONNECTED, OWNED
from ..log.lag import Lags
from ..postgres import Cursor

_SHARDS = f"""
SELECT s.shard, s.shards, s.done::text, s.epoch,
       extract(epoch FROM clock_timestamp() - s.seen_at)::float,
       extract(epoch FROM clock_timestamp() - s.caught_up_at)::float, s.forgotten, s.owed,
       {OWNED},
       (SELECT l.name FROM kck_publish_listener l WHERE s.shard = ANY (l.shards)
         ORDER BY l.seen_at DESC LIMIT 1)
  FROM kck_publish_shard s ORDER BY s.shard
"""
_LISTENERS = f"""
SELECT name, asleep, shards, seat_belt, audited, differing,
       extract(epoch FROM clock_timestamp() - seen_at)::float,
       {CONNECTED}
  FROM kck_publish_listener l WHERE kind = 'listener' ORDER BY id
"""
_SHARD = (
    "shard",
    "shards",
    "cursor",
    "epoch",
    "seen_seconds_ago",
    "caught_up_seconds_ago",
    "forgotten",
    "owed",
    "owned",
    "listener",
)
_LISTENER = (
    "name",
    "asleep",
    "shards",
    "seat_belt",
    "audited",
    "differing",
    "seen_seconds_ago",
    "connected",
)


def shards(cursor: Cursor, behind: Lags) -> list[dict[str, Any]]:
    """The shards with their cursor, owner and lag: ``_SHARD`` by name, and ``lag_seconds``."""
    cursor.execute(_SHARDS)
    found = [dict(zip(_SHARD, row, strict=True)) for row in cursor.fetchall()]
    for shard in found:
        shard["lag_seconds"] = behind.of_shard(shard["shard"])
        shard["owed"] = len(shard["owed"])
    return found


def listeners(cursor: Cursor) -> list[dict[str, Any]]:
    """The listeners that have announced themselves: ``_LISTENER`` by name."""
    cursor.execute(_LISTENERS)
    return [dict(zip(_LISTENER, row, strict=True)) for row in cursor.fetchall()]
