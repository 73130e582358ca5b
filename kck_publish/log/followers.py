"""The place of a Follower in the log, and whether the log was kept for it.

A registration has a state. ``beginning``: the log is kept, and the Follower builds what it keeps;
``following``: it goes on from its cursor; ``forgotten``: the log is not kept for it. It is of one
cluster and timeline: a restored dump has registrations whose numbers mean something else, and a
promoted standby may lack what was handed on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import psycopg

from ..exceptions import Forgotten
from ..postgres import Cursor
from ..round_trip import answers
from .cluster import CLUSTER, TIMELINE
from .snapshot import take

_CLUSTER = f"({TIMELINE} || '/' || current_database())"
# As it was written down before timelines were.
_UNTIMED = f"({CLUSTER} || '/' || current_database())"
# A session advisory lock: its holder follows. Of 64 bits, so that no two names meet.
_LOCK = """
SELECT pg_try_advisory_lock(hashtextextended(%s, 'kck_publish_consumer'::regclass::oid::bigint))
"""
_FIND = f"""
SELECT id, done::text, until::text, seq, state, cluster IN ({_CLUSTER}, {_UNTIMED})
  FROM kck_publish_consumer WHERE name = %s AND kind = %s
"""
_BEGIN = f"""
INSERT INTO kck_publish_consumer (name, kind, done, state, cluster)
VALUES (%s, %s, %s, 'beginning', {_CLUSTER})
ON CONFLICT (name, kind) DO UPDATE SET id = DEFAULT, done = excluded.done, until = NULL, seq = 0,
    state = excluded.state, cluster = excluded.cluster, registered_at = clock_timestamp(),
    seen_at = clock_timestamp()
RETURNING id, done::text
"""
_MOVE = f"""
UPDATE kck_publish_consumer SET done = %s, until = %s, seq = %s, state = 'following',
       cluster = {_CLUSTER}, seen_at = clock_timestamp()
 WHERE id = %s AND state <> 'forgotten' RETURNING true
"""
_GIVE_UP = "UPDATE kck_publish_consumer SET state = 'forgotten' WHERE id = %s"


@dataclass(frozen=True)
class Place:
    """The progress of a Follower.

    Attributes:
        id: tells this registration from a later one under the same name.
        done: the snapshot up to which everything is handled.
        until: the snapshot up to which it is being handled in pages; None when it is not.
        seq: the last row of these that is handled.
    """

    name: str
    id: int
    done: str
    until: str | None = None
    seq: int = 0


def lock(cursor: Cursor, name: str) -> bool:
    """Be the one that follows under this name, for as long as the session lasts."""
    cursor.execute(_LOCK, [name])
    return bool(cursor.fetchone()[0])


def find(cursor: Cursor, name: str, kind: str) -> tuple[Place | None, str]:
    """The place of a Follower; or None, and the reason why it cannot go on there.

    Returns:
        the place and "", or None and ``"new"``, ``"forgotten"``, ``"cluster"`` or
        ``"interrupted"``: it had begun anew, and did not come to the end of that.
    """
    cursor.execute(_FIND, [name, kind])
    row = cursor.fetchone()
    if row is None:
        return None, "new"
    id_, done, until, seq, state, is_of_this_cluster = row
    if not is_of_this_cluster:
        return None, "cluster"
    if state != "following":
        return None, "forgotten" if state == "forgotten" else "interrupted"
    return Place(name, id_, done, until, seq), ""


def begin(cursor: Cursor, name: str, kind: str) -> Place:
    """Have the log kept from now on. It is ``beginning`` until ``move`` is first called."""
    cursor.execute(_BEGIN, [name, kind, take(cursor)])
    id_, done = cursor.fetchone()
    return Place(name, id_, done)


def move(
    desk: psycopg.Connection[Any], place: Place, done: str, until: str | None = None, seq: int = 0
) -> Place:
    """Say how far it has come; also the sign of life.

    Args:
        desk: in autocommit.

    Raises:
        Forgotten: the log was not kept for it.
    """
    (moved,) = answers(desk, [(_MOVE, [done, until, seq, place.id])])
    if not moved:
        raise Forgotten(place.name)
    return replace(place, done=done, until=until, seq=seq)


def give_up(cursor: Cursor, place: Place) -> None:
    """Have the log kept for it no longer."""
    cursor.execute(_GIVE_UP, [place.id])
