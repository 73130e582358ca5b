"""The followers of the log beside the shards: near stores, relays; and how each is forgotten.

A consumer has a row with its cursor. The log is trimmed only below all cursors, so one that has
died holds the log back: ``kck_status`` names it, and ``kck_forget`` (or the setting
``FORGET_AFTER``) lets the log go on without it. Whoever was forgotten has missed what was trimmed
since; it notices, by ``Forgotten`` or by the mark in its shard's row, and begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..exceptions import Forgotten
from ..postgres import Asked, Cursor
from .reader import UNSEEN
from .snapshot import take

_KNOWN = "SELECT id, done::text FROM kck_publish_consumer WHERE name = %s"
_REGISTER = """
INSERT INTO kck_publish_consumer (name, kind, done) VALUES (%s, %s, %s)
ON CONFLICT (name, kind) DO UPDATE SET done = excluded.done,
    id = DEFAULT, registered_at = clock_timestamp(), seen_at = clock_timestamp()
RETURNING id, done::text
"""
_ADVANCE = """
UPDATE kck_publish_consumer SET done = %s, seen_at = clock_timestamp()
 WHERE name = %s AND id = %s
"""
# A Follower is to be told that it has missed changes; forgotten once more, it begins as a new one.
_FORGET = """
WITH gone AS (
    DELETE FROM kck_publish_consumer
     WHERE name = %(name)s AND (kind <> ALL (%(kinds)s) OR state = 'forgotten') RETURNING true
), left_out AS (
    UPDATE kck_publish_consumer SET state = 'forgotten'
     WHERE name = %(name)s AND kind = ANY (%(kinds)s) AND state <> 'forgotten' RETURNING true
)
SELECT EXISTS (SELECT FROM gone) OR EXISTS (SELECT FROM left_out)
"""
# Locks and channels are named by the number of a table: each schema has a table of its own.
SHARD_LOCKS = "'kck_publish_shard'::regclass::oid::int"
_FORGET_SHARD = f"""
UPDATE kck_publish_shard SET forgotten = true
 WHERE shard = %s AND NOT forgotten AND pg_try_advisory_xact_lock({SHARD_LOCKS}, shard)
"""
_FORGET_SILENT = """
WITH silent AS (
    SELECT id, kind = ANY (%(kinds)s) AS follower FROM kck_publish_consumer
     WHERE seen_at < clock_timestamp() - make_interval(secs => %(seconds)s)
       AND state <> 'forgotten'
), gone AS (
    DELETE FROM kck_publish_consumer
     WHERE id IN (SELECT id FROM silent WHERE NOT follower) RETURNING name
), left_out AS (
    UPDATE kck_publish_consumer SET state = 'forgotten'
     WHERE id IN (SELECT id FROM silent WHERE follower) RETURNING name
)
SELECT name FROM gone UNION SELECT name FROM left_out ORDER BY name
"""
_CURSORS = """
SELECT done::text FROM kck_publish_shard WHERE NOT forgotten
 UNION ALL SELECT done::text FROM kck_publish_consumer
             WHERE kind NOT IN ('near', 'stored') AND state <> 'forgotten'
 UNION ALL SELECT b.since::text FROM kck_publish_backlog b
             JOIN kck_publish_shard s USING (shard) WHERE NOT s.forgotten
"""
_SILENT = """
SELECT name, kind, done::text, extract(epoch FROM clock_timestamp() - seen_at)::float
  FROM kck_publish_consumer WHERE state <> 'forgotten' ORDER BY name, kind
"""
_HELD = f"SELECT count(*) FROM kck_publish_change WHERE {UNSEEN}"
_HELD_NEAR = f"SELECT count(*) FROM kck_publish_copy WHERE consumer IS NULL AND {UNSEEN}"
# The kinds that follow the writes to the store (``stores.near.journal``), not the changes.
NEAR, STORED = "near", "stored"
# The kinds of a Follower's registrations.
CHANGES = "changes"
FOLLOWERS = [CHANGES, STORED]
CURSORS: Asked = (_CURSORS, [])
"""Asks the cursors of all for whom the log is kept."""
# How a shard is called among the consumers.
SHARD = "shard:"


@dataclass(frozen=True)
class Consumer:
    """A consumer's place in the log.

    Attributes:
        id: tells this registration from a later one under the same name.
        done: the snapshot up to which it has handled everything.
    """

    name: str
    id: int
    done: str


def register(cursor: Cursor, name: str, kind: str) -> Consumer:
    """Begin to follow the log. Any earlier registration under the name ends.

    Commit, and build from a snapshot that is taken afterwards: the log is kept from there on.

    Args:
        name: unique; not of the form ``shard:0``.
        kind: in a word, for ``kck_status``.
    """
    if name.startswith(SHARD):
        raise ValueError(f"{name!r} is a shard's name")
    cursor.execute(_REGISTER, [name, kind, take(cursor)])
    id_, done = cursor.fetchone()
    return Consumer(name, id_, done)


def resume(cursor: Cursor, name: str, id_: int) -> Consumer:
    """Go on where a registration had come to.

    Raises:
        Forgotten: it is not there any more: register, and build anew.
    """
    cursor.execute(_KNOWN, [name])
    row = cursor.fetchone()
    if row is None or row[0] != id_:
        raise Forgotten(name)
    return Consumer(name, id_, row[1])


def advance(cursor: Cursor, consumer: Consumer, done: str) -> Consumer:
    """Everything up to a snapshot is handled; also the sign of life, so say it when nothing is new.

    Raises:
        Forgotten: the log was not kept for it: register, and build anew.
    """
    cursor.execute(_ADVANCE, [done, consumer.name, consumer.id])
    if cursor.rowcount == 0:
        raise Forgotten(consumer.name)
    return Consumer(consumer.name, consumer.id, done)


def forget(cursor: Cursor, name: str) -> bool:
    """Keep the log for it no longer; whether it was there, and (a shard) owned by nobody."""
    if name.startswith(SHARD):
        number = name.removeprefix(SHARD)
        if not number.isdecimal():
            return False
        cursor.execute(_FORGET_SHARD, [int(number)])
    else:
        cursor.execute(_FORGET, {"name": name, "kinds": FOLLOWERS})
        return bool(cursor.fetchone()[0])
    return bool(cursor.rowcount)


def forget_silent(cursor: Cursor, seconds: float) -> list[str]:
    """Keep the log no longer for those who have been silent for so long; their names."""
    cursor.execute(_FORGET_SILENT, {"seconds": seconds, "kinds": FOLLOWERS})
    return [row[0] for row in cursor.fetchall()]


def forget_all(cursor: Cursor) -> None:
    """Keep the log for nobody: it is another cluster's."""
    cursor.execute("DELETE FROM kck_publish_consumer WHERE kind <> ALL (%s)", [FOLLOWERS])
    cursor.execute("UPDATE kck_publish_consumer SET state = 'forgotten'")


def cursors(cursor: Cursor) -> list[str]:
    """The cursors of all for whom the log is kept."""
    cursor.execute(*CURSORS)
    return [row[0] for row in cursor.fetchall()]


def consumers(cursor: Cursor) -> list[dict[str, Any]]:
    """The consumers that are no shards, with how long silent, and rows held back."""
    cursor.execute(_SILENT)
    rows = cursor.fetchall()
    return [
        {
            "name": name,
            "kind": kind,
            "cursor": done,
            "seen_seconds_ago": seen,
            "holds": held(cursor, done, kind),
        }
        for name, kind, done, seen in rows
    ]


def held(cursor: Cursor, done: str, kind: str = "") -> int:
    """The number of rows of its log that a cursor has not seen."""
    cursor.execute(_HELD_NEAR if kind in (NEAR, STORED) else _HELD, {"since": done})
    return int(cursor.fetchone()[0])
