"""The default store: a table of the project's own database. No other server.

Statements run on the connection they are given: the reader's own, so that one round trip tells
both what is stored and what this session has written, or the listener's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

from django.db import ProgrammingError, connections
from psycopg.errors import UndefinedTable

from .. import clock, marks
from ..exceptions import StoreMissing
from ..snapshots import Snapshot
from . import near
from .arrays import array, digests, identities
from .base import HAND, Address, Fence, Outgoing, Own, Query, Reading, Stored
from .kept_cursor import kept_cursor

# What the listener needs of an entry; reason and duration are for kck_explain.
_COLUMNS = """e.key, e.body, e.shape, e.stamp::text, e.by, e.version, e.primed_at,
    e.soft_expire, e.hard_expire, e.behind, e.over"""

# What nobody asks for who reads: reason, seconds, row, reads.
_REST = ("", 0.0, 0, ())

# The session's own last write under what is asked for comes with each entry (see triggers).
_OWN = "nullif(current_setting(%s, true), '')::bigint"

_ONE = "e.digest = %s::uuid AND e.fingerprint = %s"
_ALIKE = "e.digest = ANY (%s::uuid[]) AND e.fingerprint = %s"
_MIXED = "(e.digest, e.fingerprint) IN (SELECT * FROM unnest(%s::uuid[], %s::text[]))"


@lru_cache(maxsize=64)
def _own(settings: int) -> str:
    """The latest of so many settings."""
    if settings < 2:
        return _OWN if settings else "NULL::bigint"
    return f"greatest({', '.join([_OWN] * settings)})"


@lru_cache(maxsize=64)
def _read(settings: int, which: str, stamped: bool) -> str:
    """The statement that reads entries, each with the latest of so many settings.

    Entries that are not there give no row: an outer join would cost each read more than it costs
    a miss to ask again. The stamp is for those who have written; each column costs each row.
    """
    own = _own(settings) if which is _ONE else f"(SELECT {_own(settings)})"
    stamp = "e.stamp::text" if stamped else "''"
    return f"""SELECT {own}, e.key, e.body, e.shape, {stamp}, e.version, e.primed_at,
        e.soft_expire, e.hard_expire, e.behind, e.over FROM kck_publish_entry e WHERE {which}"""


# With whether a cascade is on its way: refreshed products that a shard has not yet handled; and
# whether the shard has put aside what the transactions changed.
_DONE = """
WITH own AS (SELECT unnest(%s::text[])::xid8 AS xid)
SELECT pg_current_xact_id_if_assigned() IN (SELECT xid FROM own), s.shard, s.shards, s.done::text,
       CASE WHEN (SELECT bool_and(pg_visible_in_snapshot(xid, s.done)) FROM own) THEN EXISTS (
           SELECT FROM kck_publish_change
            WHERE op = 'refreshed' AND (xid >= pg_snapshot_xmax(s.done)
               OR xid = ANY (ARRAY(SELECT pg_snapshot_xip(s.done)))))
           OR EXISTS (SELECT FROM kck_publish_backlog)
       ELSE true END,
       EXISTS (
           SELECT FROM kck_publish_backlog b, own
            WHERE b.shard = s.shard AND pg_visible_in_snapshot(own.xid, b.until)
              AND NOT pg_visible_in_snapshot(own.xid, b.since)),
       pg_current_snapshot()::text
  FROM (VALUES (1)) one LEFT JOIN kck_publish_shard s ON true
"""

_FORGET_OWN = "SELECT count(set_config(w, '', false)) FROM unnest(%s::text[]) w"

_ROWS = """
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::int[], %s::bytea[],
    %s::bytea[], %s::pg_snapshot[], %s::text[], %s::timestamptz[], %s::timestamptz[],
    %s::bool[], %s::text[], %s::real[], %s::text[])
"""
_INTO = """
INSERT INTO kck_publish_entry (digest, fingerprint, key, product, bucket, body, shape, stamp, by,
    soft_expire, hard_expire, behind, reason, seconds, over)
"""
_ADD = f"{_INTO} {_ROWS} ON CONFLICT DO NOTHING RETURNING digest"
_WRITE = f"""{_INTO} {_ROWS}
ON CONFLICT (digest, fingerprint) DO UPDATE SET body = excluded.body, shape = excluded.shape,
    stamp = excluded.stamp, by = excluded.by, version = excluded.version,
    primed_at = excluded.primed_at, soft_expire = excluded.soft_expire,
    hard_expire = excluded.hard_expire, behind = excluded.behind, reason = excluded.reason,
    seconds = excluded.seconds, over = excluded.over"""

# The number of transactions that had ended orders the snapshots of a cluster: see snapshots.
_UNLESS_LATER = """
 WHERE pg_snapshot_xmax(kck_publish_entry.stamp)::text::bigint
           - (SELECT count(*) FROM pg_snapshot_xip(kck_publish_entry.stamp))
    <= pg_snapshot_xmax(excluded.stamp)::text::bigint
           - (SELECT count(*) FROM pg_snapshot_xip(excluded.stamp))
"""
_REMOVE = """
DELETE FROM kck_publish_entry
 WHERE (digest, fingerprint) IN (SELECT * FROM unnest(%s::uuid[], %s::text[]))
"""
_DROP = """
DELETE FROM kck_publish_entry WHERE bucket %% %s = %s AND (%s OR by <> 'hand')
"""
_SOME = """
SELECT product, key FROM kck_publish_entry
 WHERE digest {way} %s AND fingerprint = ANY (%s) AND by <> %s AND NOT behind
 ORDER BY digest LIMIT %s
"""
_LAZY = """
SELECT key, fingerprint, stamp::text, by, version FROM kck_publish_entry
 WHERE by = 'reader' AND NOT behind AND bucket %% %s = %s
"""
_PAGE = """
SELECT digest, key FROM kck_publish_entry
 WHERE product = %s AND fingerprint = %s AND digest > %s ORDER BY digest LIMIT %s
"""
_ADOPT = """
UPDATE kck_publish_entry SET behind = false, by = CASE by WHEN 'hand' THEN by ELSE 'listener' END
 WHERE (by = 'reader' OR behind)
   AND (digest, fingerprint) IN (SELECT * FROM unnest(%s::uuid[], %s::text[]))
"""
_RENEW = """
UPDATE kck_publish_entry e SET soft_expire = n.soft_expire, hard_expire = n.hard_expire,
    primed_at = clock_timestamp(), by = 'listener', behind = false
  FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[])
    AS n (digest, fingerprint, soft_expire, hard_expire)
 WHERE e.digest = n.digest AND e.fingerprint = n.fingerprint
"""
_REMOVE_FOREIGN = """
DELETE FROM kck_publish_entry e USING unnest(%s::uuid[], %s::text[]) AS mine(digest, fingerprint)
 WHERE e.digest = mine.digest AND e.fingerprint <> mine.fingerprint
"""


@contextmanager
def named_errors(alias: str) -> Iterator[None]:
    """Name the error of a table that is not there.

    Raises:
        StoreMissing: the library is not migrated in this database.
    """
    try:
        yield
    except ProgrammingError as error:
        if isinstance(error.__cause__, UndefinedTable):
            raise StoreMissing("kck_publish_entry", alias) from error
        raise


class PostgresStore:
    """Entries in ``kck_publish_entry``.

    Args:
        alias: the database in DATABASES.
    """

    outside = False

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def read(
        self, addresses: Sequence[Address], wrote: Sequence[str], stamped: bool = False
    ) -> Reading:
        which, identities = _wanted(addresses)
        connection = connections[self.alias]
        with kept_cursor(connection) as cursor:
            stamped = stamped or marks.may_have_written(connection.connection)
            cursor.execute(_read(len(wrote), which, stamped), [*wrote, *identities])
            rows = cursor.fetchall()
            own = rows[0][0] if rows else None
            if not rows and wrote:
                cursor.execute(f"SELECT {_own(len(wrote))}", wrote)
                own = cursor.fetchone()[0]
        if rows and own is not None and not stamped:  # written without being seen to
            return self.read(addresses, wrote, stamped=True)
        by_key = {address.key: address for address in addresses}
        make = Stored._make  # half the time of Stored()
        entries = {row[1]: make((by_key[row[1]], *row[2:5], "", *row[5:], *_REST)) for row in rows}
        return Reading(entries, own)

    def is_behind(self, stored: Stored) -> bool:
        return stored.behind

    def look(self, cursor: Any, addresses: Sequence[Address]) -> Reading:
        """The entries of these addresses with all that is known of them."""
        clock.aware(cursor).execute(*self.before_query(addresses))
        return self.before_of(cursor.fetchall(), addresses)

    before = look  # here a value is lost with its row

    def meanwhile(self, cursor: Any, addresses: Sequence[Address]) -> dict[str, Stored]:
        return self.look(cursor, addresses).entries

    def before_query(self, addresses: Sequence[Address]) -> Query:
        """The query of ``before``, for a caller that asks several things at once."""
        which, identities = _wanted(addresses)
        return f"SELECT {_COLUMNS} FROM kck_publish_entry e WHERE {which}", identities

    def before_of(self, rows: Sequence[Any], addresses: Sequence[Address]) -> Reading:
        """What the rows of ``before_query`` say."""
        by_key = {address.key: address for address in addresses}
        entries = {
            key: Stored(
                by_key[key], body and bytes(body), shape and bytes(shape), *others,
            )
            for key, body, shape, *others in rows
        }  # fmt: skip
        return Reading(entries, None)

    def own(self, xids: Sequence[int], wrote: Sequence[str]) -> Own:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(_DONE, [list(map(str, xids))])
            rows = cursor.fetchall()
            done = [
                (shard, shards, Snapshot.parse(done))
                for _, shard, shards, done, _, put_aside, _ in rows
                if shard is not None and not put_aside
            ]
            own = Own(tuple(xids), bool(rows[0][0]), done, cascading=any(row[4] for row in rows))
            if own.handled and not near.has_copied(tuple(own.xids), rows[0][6]):
                own = replace(own, copied=False)
            if own.handled:  # so that the next read of this session asks nothing
                cursor.execute(_FORGET_OWN, [list(wrote)])
        return own

    def add_with(self, cursor: Any, entries: Iterable[Stored]) -> None:
        """Keep what is not there yet. In one order always, so that two never deadlock."""
        cursor.execute(_ADD, _parameters(_ordered(entries)))

    def write(self, cursor: Any, entries: Iterable[Stored]) -> None:
        """Overwrite; each entry gets a new version."""
        cursor.execute(_WRITE, _parameters(_ordered(entries)))

    def write_later(self, cursor: Any, entries: Iterable[Stored]) -> None:
        """Overwrite those whose stored value is not of a later state."""
        cursor.execute(_WRITE + _UNLESS_LATER, _parameters(_ordered(entries)))

    def deliver(self, entries: Sequence[Stored], overwrite: bool = False) -> None:
        pass

    def announce(self, cursor: Any, entries: Sequence[Stored]) -> None:
        pass

    def send(self, cursor: Any, outgoing: Outgoing) -> None:
        pass

    def fence(self, fence: Fence) -> None:
        pass  # the cursor of the log is the fence

    def remove(self, cursor: Any, addresses: Sequence[Address], stamp: str) -> int:
        cursor.execute(_REMOVE, identities(addresses))
        return int(cursor.rowcount)

    def drop(self, cursor: Any, shard: int, shards: int, by_hand: bool = False) -> None:
        """Remove all of a shard, of whichever state; what was set by hand too, if that is said."""
        cursor.execute(_DROP, [shards, shard, by_hand])

    def remove_foreign(self, cursor: Any, addresses: Sequence[Address]) -> None:
        """Remove what other versions of the code hold of keys that have changed."""
        cursor.execute(_REMOVE_FOREIGN, identities(addresses))

    def remove_foreign_of(self, cursor: Any, product: str, fingerprint: str) -> None:
        """Remove what other versions of the code hold of a whole product."""
        cursor.execute(
            "DELETE FROM kck_publish_entry WHERE product = %s AND fingerprint <> %s",
            [product, fingerprint],
        )

    def lock_version(self, cursor: Any, address: Address) -> int | None:
        """The version that is stored, held still until the transaction ends."""
        cursor.execute(
            "SELECT version FROM kck_publish_entry WHERE digest = %s AND fingerprint = %s "
            "FOR UPDATE",
            [address.digest, address.fingerprint],
        )
        row = cursor.fetchone()
        return None if row is None else int(row[0])

    def clear(self, cursor: Any, product: str | None = None) -> None:
        """Remove everything, or all of one product."""
        cursor.execute(
            "DELETE FROM kck_publish_entry WHERE %s::text IS NULL OR product = %s",
            [product, product],
        )

    def sweep(self, cursor: Any) -> None:
        pass  # what is announced is stored, here

    def take_soft_expiry(self, cursor: Any, address: Address) -> bool:
        """Take an entry's soft expiry away; True for the one reader that did."""
        cursor.execute(
            "UPDATE kck_publish_entry SET soft_expire = NULL WHERE soft_expire IS NOT NULL "
            "AND digest = %s AND fingerprint = %s",
            [address.digest, address.fingerprint],
        )
        return bool(cursor.rowcount)

    def renew(self, cursor: Any, entries: Iterable[Stored]) -> None:
        """These hold as they are, until a later time."""
        some = _ordered(entries)
        cursor.execute(
            _RENEW,
            [
                *identities([one.address for one in some]),
                [one.soft_expire for one in some],
                [one.hard_expire for one in some],
            ],
        )

    def lazy_query(self, shard: int, shards: int) -> Query:
        """Asks what readers have added to a shard."""
        return _LAZY, [shards, shard]

    def lazies(self, rows: Sequence[Any]) -> Iterable[Stored]:
        """What the rows of ``lazy_query`` say, without bodies."""
        for key, fingerprint, stamp, by, version in rows:
            address = Address(key, fingerprint)
            yield Stored(address, None, None, stamp, by, version)

    def adopt(self, cursor: Any, entries: Sequence[Stored]) -> None:
        """These hold as they were seen: the listener's from now on, and no longer behind."""
        cursor.execute(_ADOPT, identities([one.address for one in entries]))

    def any_stored(self, cursor: Any, product: str) -> bool:
        """Whether anything of a product is stored, by any version of the code, or was read."""
        cursor.execute(
            "SELECT EXISTS (SELECT FROM kck_publish_entry WHERE product = %s) "
            "OR EXISTS (SELECT FROM kck_publish_edge WHERE read_product = %s)",
            [product, product],
        )
        return bool(cursor.fetchone()[0])

    def some(self, cursor: Any, fingerprints: Sequence[str], count: int) -> list[tuple[str, str]]:
        """Product and key of a few entries that primers made, from a random place on."""
        start = uuid.uuid4()
        cursor.execute(_SOME.format(way=">="), [start, list(fingerprints), HAND, count])
        found: list[tuple[str, str]] = cursor.fetchall()
        if len(found) < count:  # the end of the key space: on from its beginning
            rest = [start, list(fingerprints), HAND, count - len(found)]
            cursor.execute(_SOME.format(way="<"), rest)
            found += cursor.fetchall()
        return found

    def enumerate(self, cursor: Any, product: str, fingerprint: str) -> Iterator[str]:
        """The stored keys of a product."""
        cursor.execute(
            "SELECT key FROM kck_publish_entry WHERE product = %s AND fingerprint = %s",
            [product, fingerprint],
        )
        return (row[0] for row in cursor.fetchall())

    def present(self, cursor: Any, addresses: Sequence[Address]) -> set[str]:
        """The keys of those of these whose values are really there."""
        which, identities = _wanted(addresses)
        cursor.execute(f"SELECT e.key FROM kck_publish_entry e WHERE {which}", identities)
        return {key for (key,) in cursor.fetchall()}

    def page(
        self, cursor: Any, product: str, fingerprint: str, after: uuid.UUID, limit: int
    ) -> list[tuple[uuid.UUID, str]]:
        """The next stored keys of a product, with their digests, in the order of these."""
        cursor.execute(_PAGE, [product, fingerprint, after, limit])
        found: list[tuple[uuid.UUID, str]] = cursor.fetchall()
        return found


def _wanted(addresses: Sequence[Address]) -> tuple[str, list[Any]]:
    """The condition that picks entries, and its parameters."""
    first = addresses[0]
    if len(addresses) == 1:
        return _ONE, [first.hex, first.fingerprint]
    fingerprints = {one.fingerprint for one in addresses}
    if len(fingerprints) == 1:
        return _ALIKE, [digests(addresses), first.fingerprint]
    return _MIXED, identities(addresses)


def _ordered(entries: Iterable[Stored]) -> list[Stored]:
    return sorted(entries, key=lambda one: (one.address.hex, one.address.fingerprint))


def _parameters(entries: Sequence[Stored]) -> list[Any]:
    addresses = [one.address for one in entries]
    return [
        *identities(addresses),
        [one.key for one in addresses],
        [one.product for one in entries],
        [one.bucket for one in addresses],
        [one.body for one in entries],
        [one.shape for one in entries],
        array([one.stamp for one in entries]),
        array([one.by for one in entries]),
        [one.soft_expire for one in entries],
        [one.hard_expire for one in entries],
        [one.behind for one in entries],
        [one.reason for one in entries],
        [one.seconds for one in entries],
        [one.over for one in entries],
    ]
