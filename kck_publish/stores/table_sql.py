"""The statements of the table ``kck_publish_entry`` where values are in it: see ``table_store``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from .arrays import AMONG, array, digests, identities, ordered
from .types import Address, Stored

# What the listener needs of an entry; reason and duration are for kck_explain.
COLUMNS = """e.key, e.body, e.shape, e.stamp::text, e.by, e.version, e.primed_at,
    e.soft_expire, e.hard_expire, e.behind, e.over"""

# The session's own last write under what is asked for comes with each entry (see triggers).
_OWN = "nullif(current_setting(%s, true), '')::bigint"

_ONE = "e.digest = %s::uuid AND e.fingerprint = %s"
_ALIKE = "e.digest = ANY (%s::uuid[]) AND e.fingerprint = %s"


@lru_cache(maxsize=64)
def own(settings: int) -> str:
    """The latest of so many settings."""
    if settings < 2:
        return _OWN if settings else "NULL::bigint"
    return f"greatest({', '.join([_OWN] * settings)})"


@lru_cache(maxsize=64)
def read(settings: int, which: str, stamped: bool) -> str:
    """The statement that reads entries, each with the latest of so many settings.

    Entries that are not there give no row: an outer join would cost each read more than it costs
    a miss to ask again. The stamp is for those who have written; each column costs each row.
    """
    last = own(settings) if which is _ONE else f"(SELECT {own(settings)})"
    stamp = "e.stamp::text" if stamped else "''"
    return f"""SELECT {last}, e.key, e.body, e.shape, {stamp}, e.version, e.primed_at,
        e.soft_expire, e.hard_expire, e.behind, e.over FROM kck_publish_entry e WHERE {which}"""


# With whether a cascade is on its way: refreshed products that a shard has not yet handled; and
# whether the shard has put aside what the transactions changed.
DONE = """
WITH own AS (SELECT unnest(%s::text[])::xid8 AS xid)
SELECT pg_current_xact_id_if_assigned() IN (SELECT xid FROM own), s.shard, s.shards, s.done::text,
       CASE WHEN (SELECT bool_and(pg_visible_in_snapshot(xid, s.done)) FROM own) THEN EXISTS (
           SELECT FROM kck_publish_change
            WHERE op = 'refreshed' AND kck_publish_unseen_v1(xid, s.done))
           OR EXISTS (SELECT FROM kck_publish_backlog)
       ELSE true END,
       EXISTS (
           SELECT FROM kck_publish_backlog b, own
            WHERE b.shard = s.shard AND pg_visible_in_snapshot(own.xid, b.until)
              AND NOT pg_visible_in_snapshot(own.xid, b.since)),
       pg_current_snapshot()::text
  FROM (VALUES (1)) one LEFT JOIN kck_publish_shard s ON true
"""

FORGET_OWN = "SELECT count(set_config(w, '', false)) FROM unnest(%s::text[]) w"

_ROWS = """
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::int[], %s::bytea[],
    %s::bytea[], %s::pg_snapshot[], %s::text[], %s::timestamptz[], %s::timestamptz[],
    %s::bool[], %s::text[], %s::real[], %s::text[])
"""
_INTO = """
INSERT INTO kck_publish_entry (digest, fingerprint, key, product, bucket, body, shape, stamp, by,
    soft_expire, hard_expire, behind, reason, seconds, over)
"""
ADD = f"{_INTO} {_ROWS} ON CONFLICT DO NOTHING RETURNING digest"
WRITE = f"""{_INTO} {_ROWS}
ON CONFLICT (digest, fingerprint) DO UPDATE SET body = excluded.body, shape = excluded.shape,
    stamp = excluded.stamp, by = excluded.by, version = excluded.version,
    primed_at = excluded.primed_at, soft_expire = excluded.soft_expire,
    hard_expire = excluded.hard_expire, behind = excluded.behind, reason = excluded.reason,
    seconds = excluded.seconds, over = excluded.over"""

UNLESS_LATER = """
 WHERE kck_publish_age_v1(kck_publish_entry.stamp) <= kck_publish_age_v1(excluded.stamp)
"""
REMOVE = f"DELETE FROM kck_publish_entry WHERE {AMONG}"
DROP = """
DELETE FROM kck_publish_entry WHERE bucket %% %s = %s AND (%s OR by <> 'hand')
"""
SOME = """
SELECT product, key FROM kck_publish_entry
 WHERE digest {way} %s AND fingerprint = ANY (%s) AND by <> %s AND NOT behind
 ORDER BY digest LIMIT %s
"""
LAZY = """
SELECT key, fingerprint, stamp::text, by, version FROM kck_publish_entry
 WHERE by = 'reader' AND NOT behind AND bucket %% %s = %s
"""
PAGE = """
SELECT digest, key FROM kck_publish_entry
 WHERE product = %s AND fingerprint = %s AND digest > %s ORDER BY digest LIMIT %s
"""
ADOPT = f"""
UPDATE kck_publish_entry SET behind = false, by = CASE by WHEN 'hand' THEN by ELSE 'listener' END
 WHERE (by = 'reader' OR behind)
   AND {AMONG}
"""
RENEW = """
UPDATE kck_publish_entry e SET soft_expire = n.soft_expire, hard_expire = n.hard_expire,
    primed_at = clock_timestamp(), by = 'listener', behind = false
  FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[])
    AS n (digest, fingerprint, soft_expire, hard_expire)
 WHERE e.digest = n.digest AND e.fingerprint = n.fingerprint
"""
REMOVE_FOREIGN = """
DELETE FROM kck_publish_entry e USING unnest(%s::uuid[], %s::text[]) AS mine(digest, fingerprint)
 WHERE e.digest = mine.digest AND e.fingerprint <> mine.fingerprint
"""


def wanted(addresses: Sequence[Address]) -> tuple[str, list[Any]]:
    """The condition that picks entries, and its parameters."""
    first = addresses[0]
    if len(addresses) == 1:
        return _ONE, [first.hex, first.fingerprint]
    fingerprints = {one.fingerprint for one in addresses}
    if len(fingerprints) == 1:
        return _ALIKE, [digests(addresses), first.fingerprint]
    return AMONG, identities(addresses)


def rows(some: Iterable[Stored]) -> list[Any]:
    """The parameters of the statements that write: of these entries, in one order always."""
    entries = ordered(some)
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
