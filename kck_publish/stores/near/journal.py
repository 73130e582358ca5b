"""The journal that near stores follow: the table of keys whose entries were written or removed.

A trigger on ``kck_publish_entry`` fills it while any near store is registered, so whoever writes
there is followed: listeners, readers, ``cache.set``, psql. Values that are outside the database are
told of here by those who write them. ``listener.near_follower`` reads it as the change log is read:
by a cursor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from ...exceptions import Forgotten
from ...log.consumers import NEAR, STORED, Consumer, register
from ...log.reader import LATE, LATER
from ...postgres import Cursor
from ...round_trip import together
from ..types import Query

# From so many keys on, it is cheaper to begin with an empty store.
MANY = 20_000

_REGISTERED = """
EXISTS (SELECT FROM kck_publish_consumer WHERE id = %(id)s AND state <> 'forgotten')
"""
_UNSEEN = f"""
SELECT pg_current_snapshot()::text, ARRAY(
    SELECT coalesce(key, '') FROM kck_publish_copy WHERE {LATER} AND consumer IS NULL
     UNION
    SELECT coalesce(key, '') FROM kck_publish_copy WHERE {LATE} AND consumer IS NULL
     LIMIT {MANY + 1}), {_REGISTERED}
"""
_UNSEEN_WRITES = f"""
SELECT pg_current_snapshot()::text, {_REGISTERED},
       coalesce(array_agg(key), '{{}}'), coalesce(array_agg(xid), '{{}}')
  FROM (SELECT coalesce(key, '') AS key, max(xid::text::bigint) AS xid FROM (
            SELECT key, xid FROM kck_publish_copy WHERE {LATER} AND consumer IS NULL
             UNION ALL
            SELECT key, xid FROM kck_publish_copy WHERE {LATE} AND consumer IS NULL) unseen
         GROUP BY 1) written
"""
_TELL = f"""
INSERT INTO kck_publish_copy (key) SELECT unnest(%s::text[])
 WHERE EXISTS (SELECT FROM kck_publish_consumer
                WHERE kind IN ('{NEAR}', '{STORED}') AND state <> 'forgotten')
"""
_MARK = "INSERT INTO kck_publish_copy (consumer) VALUES (%s)"
_MARKED = "SELECT EXISTS (SELECT FROM kck_publish_copy WHERE consumer = %s)"
# Who writes entries now, and may have looked before we were registered.
_WRITERS = """
SELECT array_agg(DISTINCT virtualtransaction) FROM pg_locks
 WHERE locktype = 'relation' AND granted AND pid IS DISTINCT FROM pg_backend_pid()
   AND relation = 'kck_publish_entry'::regclass
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                'AccessExclusiveLock')
"""
# How the hubs of processes are called: they begin anew, as near stores do.
HUB = "live:"
_SILENT = f"""
DELETE FROM kck_publish_consumer
 WHERE (kind = '{NEAR}' OR (kind = '{STORED}' AND starts_with(name, '{HUB}')))
   AND seen_at < clock_timestamp() - make_interval(secs => %s)
"""
_TRIM = f"""
DELETE FROM kck_publish_copy WHERE consumer IS NULL AND xid < coalesce(
    (SELECT min(pg_snapshot_xmin(done)) FROM kck_publish_consumer
      WHERE kind IN ('{NEAR}', '{STORED}') AND state <> 'forgotten'),
    pg_snapshot_xmin(pg_current_snapshot()))
"""
_UNMARK = """
DELETE FROM kck_publish_copy c WHERE consumer IS NOT NULL
   AND NOT EXISTS (SELECT FROM kck_publish_consumer WHERE id = c.consumer)
"""


@dataclass(frozen=True)
class Look:
    """The result of one look.

    Attributes:
        until: the snapshot of the look.
        keys: those to be copied anew; None for all.
    """

    until: str
    keys: list[str] | None


def begin(cursor: Cursor, name: str) -> Consumer:
    """Follow from now on; an earlier registration under the name ends."""
    consumer = register(cursor, name, NEAR)
    mark(cursor, consumer.id)
    return consumer


def mark(cursor: Cursor, id_: int) -> None:
    """Leave a registration's own row, which a crash of the server takes away."""
    cursor.execute(_MARK, [id_])


def is_unbroken(cursor: Cursor, id_: int) -> bool:
    """Whether the server has not crashed since this registration."""
    cursor.execute(_MARKED, [id_])
    return bool(cursor.fetchone()[0])


def writers(cursor: Cursor) -> frozenset[str]:
    """The transactions that have written entries and are not ended.

    One that began before a near store was registered tells it nothing: whoever has just registered
    waits until these have ended.
    """
    cursor.execute(_WRITERS)
    return frozenset(cursor.fetchone()[0] or ())


def unseen(
    desk: psycopg.Connection[Any], consumer: Consumer, since: str, beside: Query | None = None
) -> tuple[Look, list[Any]]:
    """The keys that a cursor has not seen, and the rows of a query asked after it, for one wait.

    Raises:
        Forgotten: nothing was kept for it: begin anew.
    """
    with together(desk) as trip:
        look = trip.execute(_UNSEEN, {"since": since, "id": consumer.id})
        other = trip.execute(*beside) if beside else None
    ((until, keys, registered),) = look.fetchall()
    if not registered:
        raise Forgotten(consumer.name)
    rows = other.fetchall() if other else []
    return Look(until, None if len(keys) > MANY or "" in keys else keys), rows


def writes_unseen(
    desk: psycopg.Connection[Any], id_: int, name: str, since: str
) -> tuple[str, dict[str, int] | None]:
    """The snapshot of the look, and each key that a cursor has not seen, with its last writer.

    The writer is a transaction's number. None in place of the keys: every key is gone.

    Raises:
        Forgotten: the journal was not kept for it.
    """
    cursor: Cursor = desk.cursor()
    cursor.execute(_UNSEEN_WRITES, {"since": since, "id": id_})
    until, is_registered, keys, writers = cursor.fetchone()
    if not is_registered:
        raise Forgotten(name)
    return until, None if "" in keys else dict(zip(keys, writers, strict=True))


def record(cursor: Cursor, keys: Iterable[str]) -> None:
    """The values of these keys have changed outside the database."""
    if told := list(keys):
        cursor.execute(_TELL, [told])


def tell_all(cursor: Cursor) -> None:
    """All values outside the database have gone."""
    cursor.execute(_TELL, [[None]])


def trim(cursor: Cursor, silence: float) -> None:
    """Do what ``trim_queries`` says."""
    for query in trim_queries(silence):
        cursor.execute(*query)


def trim_queries(silence: float) -> list[Query]:
    """Delete what all have seen; who was silent for so long begins anew, and holds nothing."""
    return [(_SILENT, [silence]), (_TRIM, []), (_UNMARK, [])]
