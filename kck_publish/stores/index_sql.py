"""The statements of the table ``kck_publish_entry`` where values are outside: see ``cache_store``.

Each function gives a statement and its parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .arrays import AMONG, array, digests, identities, ordered
from .table_sql import ROOM, room
from .types import HAND, LISTENER, READER, Address, Query, Stored

# How long a row without a value may be that of a reader who is about to add it.
_JUST_NOW = "1 second"
# How many rows are swept at once.
_SWEPT = 500

_ROWS = f"""
SELECT key, by, stamp::text, version, behind FROM kck_publish_entry WHERE {AMONG}
"""
_BEHIND = "SELECT true FROM kck_publish_entry WHERE behind AND digest = %s AND fingerprint = %s"
_ANNOUNCED = f"""
SELECT key FROM kck_publish_entry
 WHERE by = 'reader' AND primed_at > clock_timestamp() - interval '{_JUST_NOW}' AND {AMONG}
"""
# A row that is there becomes a reader's again: the next batch looks at what was added.
_ADD = f"""
INSERT INTO kck_publish_entry (digest, fingerprint, key, product, bucket, stamp, by, soft_expire,
    hard_expire, reason, seconds)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::int[], %s::pg_snapshot[],
    %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::real[])
    n (digest, fingerprint, key, product, bucket, stamp, by, soft_expire, hard_expire, reason,
       seconds)
{ROOM}
ON CONFLICT (digest, fingerprint) DO UPDATE SET by = 'reader', stamp = excluded.stamp,
    version = nextval('kck_publish_version'), primed_at = excluded.primed_at, behind = false,
    soft_expire = excluded.soft_expire, hard_expire = excluded.hard_expire,
    reason = excluded.reason, seconds = excluded.seconds
RETURNING digest
"""
# A value without its row (a batch that was cut off) gets one; a row that a reader has written
# since we looked at it is left for the next batch.
_ADOPT = """
INSERT INTO kck_publish_entry (digest, fingerprint, key, product, bucket, stamp, by, soft_expire,
    hard_expire, version)
SELECT n.digest, n.fingerprint, n.key, n.product, n.bucket, n.stamp, n.by, n.soft_expire,
       n.hard_expire, coalesce(nullif(n.version, 0), nextval('kck_publish_version'))
  FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::int[], %s::pg_snapshot[],
    %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[])
    n (digest, fingerprint, key, product, bucket, stamp, by, soft_expire, hard_expire, version)
ON CONFLICT (digest, fingerprint) DO UPDATE SET by = excluded.by, stamp = excluded.stamp,
    behind = false
 WHERE (kck_publish_entry.by = 'reader' OR kck_publish_entry.behind)
   AND kck_publish_entry.version = excluded.version
"""
# What a reader has announced for this state or a later one stays.
_REMOVE = f"""
DELETE FROM kck_publish_entry
 WHERE {AMONG} AND NOT (
       by = 'reader' AND kck_publish_age_v1(stamp) >= kck_publish_age_v1(%s::pg_snapshot))
"""
_ORPHANS = f"""
SELECT key, fingerprint, version FROM kck_publish_entry
 WHERE by = 'reader' AND primed_at < clock_timestamp() - make_interval(secs => %s)
 LIMIT {_SWEPT}
"""
_FORGET = """
DELETE FROM kck_publish_entry e USING unnest(%s::uuid[], %s::text[], %s::bigint[])
    AS o(digest, fingerprint, version)
 WHERE e.digest = o.digest AND e.fingerprint = o.fingerprint AND e.version = o.version
"""
_FOREIGN = f"""
SELECT key, fingerprint FROM kck_publish_entry
 WHERE digest = ANY ((SELECT %s::uuid[])::uuid[]) AND NOT {AMONG}
"""
_FOREIGN_OF = """
SELECT key, fingerprint FROM kck_publish_entry WHERE product = %s AND fingerprint <> %s
"""
_ADDRESSES = """
SELECT key, fingerprint FROM kck_publish_entry WHERE %s::text IS NULL OR product = %s
"""
_ADDRESSES_OF_SHARD = """
SELECT key, fingerprint FROM kck_publish_entry WHERE bucket %% %s = %s AND (%s OR by <> 'hand')
"""


def rows(addresses: Sequence[Address]) -> Query:
    """Key, by, stamp, version and behind of these."""
    return _ROWS, identities(addresses)


def behind(address: Address) -> Query:
    """One row when the last refresh has failed."""
    return _BEHIND, [address.digest, address.fingerprint]


def announced(addresses: Sequence[Address]) -> Query:
    """The keys among these that a reader has just announced."""
    return _ANNOUNCED, identities(addresses)


def add(entries: Iterable[Stored]) -> Query:
    """A reader announces what it will add. In one order always, so that two never deadlock."""
    rows = ordered(entries)
    return _ADD, [
        *_columns(rows),
        [READER] * len(rows),
        *_expiries(rows),
        [entry.reason for entry in rows],
        [entry.seconds for entry in rows],
        *room(),
    ]


def adopt(entries: Sequence[Stored]) -> Query:
    """What was found holds: the listener's from now on, and no longer behind."""
    rows = ordered({entry.address: entry for entry in entries}.values())
    return _ADOPT, [
        *_columns(rows),
        [HAND if entry.by == HAND else LISTENER for entry in rows],
        *_expiries(rows),
        [entry.row for entry in rows],
    ]


def remove(addresses: Sequence[Address], stamp: str) -> Query:
    """Remove the rows of these, as of a state."""
    return _REMOVE, [*identities(addresses), stamp]


def orphans(seconds: int) -> Query:
    """Key, fingerprint and version of what readers announced so long ago."""
    return _ORPHANS, [seconds]


def forget(addresses: Sequence[Address], versions: Sequence[int]) -> Query:
    """Remove these rows, unless a reader has announced them again."""
    return _FORGET, [*identities(addresses), list(versions)]


def foreign(addresses: Sequence[Address]) -> Query:
    """Key and fingerprint of what other versions of the code hold of these keys."""
    return _FOREIGN, [digests(addresses), *identities(addresses)]


def foreign_of(product: str, fingerprint: str) -> Query:
    """Key and fingerprint of what other versions of the code hold of a product."""
    return _FOREIGN_OF, [product, fingerprint]


def addresses_of_shard(shard: int, shards: int, by_hand: bool) -> Query:
    """Key and fingerprint of everything in a shard."""
    return _ADDRESSES_OF_SHARD, [shards, shard, by_hand]


def addresses(product: str | None) -> Query:
    """Key and fingerprint of everything, or of all of one product."""
    return _ADDRESSES, [product, product]


def _columns(entries: Sequence[Stored]) -> list[object]:
    return [
        *identities([entry.address for entry in entries]),
        [entry.address.key for entry in entries],
        [entry.product for entry in entries],
        [entry.address.bucket for entry in entries],
        array([entry.stamp for entry in entries]),
    ]


def _expiries(entries: Sequence[Stored]) -> list[object]:
    return [[entry.soft_expire for entry in entries], [entry.hard_expire for entry in entries]]
