"""Dead letters of consumers, as ``kck_dead_letters`` names them: ``kafka:group:topic/0/17``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import clock
from ...postgres import Cursor

_KEY = "'kafka:' || consumer || ':' || topic || '/' || partition || '/' || place"
_CHOSEN = f"state = 'dead' AND (%s::text[] IS NULL OR {_KEY} = ANY (%s))"
_DEAD = f"""
SELECT {_KEY}, 'kafka:' || consumer || ':' || topic, attempts, first_at, error, message, traceback
  FROM kck_publish_kafka_failure WHERE state = 'dead' ORDER BY first_at LIMIT %s
"""
_REVIVE = f"""
UPDATE kck_publish_kafka_failure SET state = 'retrying', attempts = 0, due_at = %s, untold = false
 WHERE {_CHOSEN} RETURNING {_KEY}
"""
_DISCARD = f"DELETE FROM kck_publish_kafka_failure WHERE {_CHOSEN} RETURNING {_KEY}"
_LETTER = ("key", "product", "attempts", "first_at", "error", "message", "traceback")


def dead(cursor: Cursor, most: int | None = None) -> list[dict[str, Any]]:
    """The dead letters, the oldest first; so many at the most, or all."""
    clock.aware(cursor).execute(_DEAD, [most])
    return [dict(zip(_LETTER, row, strict=True)) for row in cursor.fetchall()]


def revive(cursor: Cursor, keys: Sequence[str] | None) -> list[str]:
    """Have dead letters (all when None) tried again by a consumer of their group; their keys."""
    cursor.execute(_REVIVE, [clock.now(), keys, keys])
    return [row[0] for row in cursor.fetchall()]


def discard(cursor: Cursor, keys: Sequence[str] | None) -> list[str]:
    """Forget dead letters (all when None); their topic still shows them."""
    cursor.execute(_DISCARD, [keys, keys])
    return [row[0] for row in cursor.fetchall()]
