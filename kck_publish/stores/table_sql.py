"""The statements of the table ``kck_publish_entry``, and of values that are in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from ..conf import settings
from .arrays import AMONG, array, booleans, digests, identities, numbers, ordered, texts, times
from .types import Address, Query, Stored

# What the listener needs of an entry; reason and duration are for kck_explain.
COLUMNS = """e.key, e.body, e.shape, e.stamp::text, e.by, e.version, e.primed_at,
    e.soft_expire, e.hard_expire, e.behind, e.over"""

# The session's own last write under what is asked for comes with each entry: the migration's
# ``kck_publish_announce_v1`` leaves it in a setting.
_OWN = "nullif(current_setting(%s, true), '')::bigint"

_OF_ONE = "e.digest = %s::uuid AND e.fingerprint = %s"
_OF_ONE_FINGERPRINT = "e.digest = ANY (%s::uuid[]) AND e.fingerprint = %s"


@lru_cache(maxsize=64)
def own(settings: int) -> str:
    """The latest of so many settings."""
    if settings < 2:
        return _OWN if settings else "NULL::bigint"
    return f"greatest({', '.join([_OWN] * settings)})"


@lru_cache(maxsize=64)
def read(settings: int, condition: str, stamped: bool) -> str:
    """The statement that reads entries, each with the latest of so many settings.

    Entries that are not there give no row: the outer join, which gives one that says what was
    written, and the stamp are for those who may have written; each column costs each row.
    """
    of_entry = """e.version, e.primed_at, e.soft_expire, e.hard_expire, e.behind, e.over"""
    if stamped:
        return f"""SELECT o.own, e.key, e.body, e.shape, e.stamp::text, {of_entry}
            FROM (SELECT {own(settings)} AS own) o LEFT JOIN kck_publish_entry e ON {condition}"""
    last = own(settings) if condition is _OF_ONE else f"(SELECT {own(settings)})"
    return f"""SELECT {last}, e.key, e.body, e.shape, '', {of_entry}
        FROM kck_publish_entry e WHERE {condition}"""


_FIELDS = """n (digest, fingerprint, key, product, bucket, body, shape, stamp, by, soft_expire,
    hard_expire, behind, reason, seconds, over)"""
_ROWS = f"""
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::int[], %b::bytea[],
    %b::bytea[], %s::pg_snapshot[], %s::text[], %s::timestamptz[], %s::timestamptz[],
    %s::bool[], %s::text[], %s::real[], %s::text[]) {_FIELDS}
"""
# Half the time of an array for each field.
_ROW = f"""
SELECT * FROM (VALUES (%s::uuid, %s::text, %s::text, %s::text, %s::int, %b::bytea, %b::bytea,
    %s::pg_snapshot, %s::text, %s::timestamptz, %s::timestamptz, %s::bool, %s::text, %s::real,
    %s::text)) {_FIELDS}
"""
_INTO = """
INSERT INTO kck_publish_entry (digest, fingerprint, key, product, bucket, body, shape, stamp, by,
    soft_expire, hard_expire, behind, reason, seconds, over)
"""
# Of answers that there is none, no more are added than ABSENCES: a flood of them evicts nothing.
ROOM = """
 WHERE n.reason <> 'absent' OR (
       SELECT count(*) FROM (SELECT FROM kck_publish_entry WHERE reason = 'absent' LIMIT %s) a) < %s
"""
ADD = f"{_INTO} {_ROWS} {ROOM} ON CONFLICT DO NOTHING"
EXPIRE_ABSENT = """
DELETE FROM kck_publish_entry WHERE (digest, fingerprint) IN (
    SELECT digest, fingerprint FROM kck_publish_entry
     WHERE reason = 'absent' AND hard_expire < %s LIMIT %s FOR UPDATE SKIP LOCKED)
"""
# The version is taken once the row is locked: of two writers the later one has the greater.
WRITE = f"""{_INTO} {_ROWS}
ON CONFLICT (digest, fingerprint) DO UPDATE SET body = excluded.body, shape = excluded.shape,
    stamp = excluded.stamp, by = excluded.by, version = nextval('kck_publish_version'),
    primed_at = excluded.primed_at, soft_expire = excluded.soft_expire,
    hard_expire = excluded.hard_expire, behind = excluded.behind, reason = excluded.reason,
    seconds = excluded.seconds, over = excluded.over"""

WRITE_AND_TELL = f"{WRITE} RETURNING key, version, primed_at"
WRITE_LATER = f"""{WRITE}
 WHERE kck_publish_age_v1(kck_publish_entry.stamp) <= kck_publish_age_v1(excluded.stamp)
"""
_OF_ONE_ROW = {
    each: each.replace(_ROWS, _ROW) for each in (ADD, WRITE, WRITE_AND_TELL, WRITE_LATER)
}
REMOVE = f"DELETE FROM kck_publish_entry WHERE {AMONG}"
DROP = """
DELETE FROM kck_publish_entry WHERE bucket %% %s = %s AND (%s OR by <> 'hand')
"""
CLEAR = "DELETE FROM kck_publish_entry WHERE %s::text IS NULL OR product = %s"
CLEAR_BY_HAND = "DELETE FROM kck_publish_entry WHERE (fingerprint = %s) = %s"
TAKE_SOFT_EXPIRY = """
UPDATE kck_publish_entry SET soft_expire = NULL
 WHERE soft_expire IS NOT NULL AND digest = %s AND fingerprint = %s
"""
NUMBER = "UPDATE kck_publish_entry SET version = %s WHERE digest = %s AND fingerprint = %s"
LOCK_VERSION = """
SELECT version FROM kck_publish_entry WHERE digest = %s AND fingerprint = %s FOR UPDATE
"""
ANY_STORED = """
SELECT EXISTS (SELECT FROM kck_publish_entry WHERE product = %s)
    OR EXISTS (SELECT FROM kck_publish_edge WHERE read_product = %s)
"""
_SAMPLED = "fingerprint = ANY (%s) AND by <> %s AND NOT behind ORDER BY digest LIMIT %s"
SAMPLE_FROM = f"SELECT product, key FROM kck_publish_entry WHERE digest >= %s AND {_SAMPLED}"
SAMPLE_BEFORE = f"SELECT product, key FROM kck_publish_entry WHERE digest < %s AND {_SAMPLED}"
KEYS_WHERE = "SELECT e.key FROM kck_publish_entry e WHERE"
KEYS = "SELECT key FROM kck_publish_entry WHERE product = %s AND fingerprint = %s"
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
# The stamp as well: outside, the value has it, and another one than its row's is of a torn batch.
RENEW = """
UPDATE kck_publish_entry e SET soft_expire = n.soft_expire, hard_expire = n.hard_expire,
    stamp = n.stamp, primed_at = clock_timestamp(), by = 'listener', behind = false
  FROM unnest(%s::uuid[], %s::text[], %s::pg_snapshot[], %s::timestamptz[], %s::timestamptz[])
    AS n (digest, fingerprint, stamp, soft_expire, hard_expire)
 WHERE e.digest = n.digest AND e.fingerprint = n.fingerprint
"""
REMOVE_FOREIGN_OF = "DELETE FROM kck_publish_entry WHERE product = %s AND fingerprint <> %s"
# How many these are is hidden from the planner: one plan does for all. It goes by the index; that
# of a join would read the whole table, if it was made while that was small.
REMOVE_FOREIGN = f"""
DELETE FROM kck_publish_entry WHERE digest = ANY ((SELECT %s::uuid[])::uuid[]) AND NOT {AMONG}
"""


def wanted(addresses: Sequence[Address]) -> tuple[str, list[Any]]:
    """The condition that picks entries, and its parameters."""
    first = addresses[0]
    if len(addresses) == 1:
        return _OF_ONE, [first.hex, first.fingerprint]
    fingerprints = {address.fingerprint for address in addresses}
    if len(fingerprints) == 1:
        return _OF_ONE_FINGERPRINT, [digests(addresses), first.fingerprint]
    return AMONG, identities(addresses)


def room() -> list[int]:
    """The parameters of ``ROOM``."""
    return [settings.ABSENCES] * 2


def written(statement: str, entries: Iterable[Stored]) -> Query:
    """One of the statements that write entries, for these, in one order: two never deadlock."""
    entries = ordered(entries)
    if len(entries) == 1:
        return _OF_ONE_ROW[statement], _row(entries[0])
    addresses = [entry.address for entry in entries]
    return statement, [
        *identities(addresses),
        texts([address.key for address in addresses]),
        texts([entry.product for entry in entries]),
        numbers([address.bucket for address in addresses]),
        [entry.body for entry in entries],
        [entry.shape for entry in entries],
        array([entry.stamp for entry in entries]),
        array([entry.by for entry in entries]),
        times([entry.soft_expire for entry in entries]),
        times([entry.hard_expire for entry in entries]),
        booleans([entry.behind for entry in entries]),
        texts([entry.reason for entry in entries]),
        numbers([entry.seconds for entry in entries]),
        [entry.over for entry in entries],
    ]


def _row(entry: Stored) -> list[Any]:
    address = entry.address
    return [
        address.hex,
        address.fingerprint,
        address.key,
        entry.product,
        str(address.bucket),
        entry.body,
        entry.shape,
        entry.stamp,
        entry.by,
        entry.soft_expire,
        entry.hard_expire,
        "t" if entry.behind else "f",
        entry.reason,
        repr(entry.seconds),
        entry.over,
    ]
