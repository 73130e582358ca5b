"""Recorded dependencies: which keys a stored value was computed from, beside those declared.

A compute that reads a product which its own does not declare leaves an *edge* for each key it has
read, written with the value and replaced by its next prime. A refresh of a key that is read so is
logged, and the log brings it to the readers.

The race: a value is stored, with its edges, while one of the keys that it was computed from is
being written, by a session that has looked for edges just before. So a session that stores edges
locks, without waiting, the rows of the keys that were read: a row that another session locks, that
is gone or of a later state than the compute saw, makes a request to refresh the value. A session
that writes a key holds its row while it looks for edges. A key that is not stored has no row to be
locked; there the shards' claims tell (see ``reading.claims``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..log.keys import product_of
from ..log.refreshes import REFRESH, REFRESHED
from ..postgres import Cursor
from .arrays import AMONG, digests, identities
from .types import Address, Query, Read, Stored

_FORGET = f"""
DELETE FROM kck_publish_edge g
 WHERE {AMONG}
   AND NOT EXISTS (
       SELECT FROM unnest(%s::uuid[], %s::text[], %s::uuid[]) n (digest, fingerprint, read)
        WHERE n.digest = g.digest AND n.fingerprint = g.fingerprint AND n.read = g.read)
"""
_KEEP = """
INSERT INTO kck_publish_edge (digest, fingerprint, key, read, read_key, read_product)
SELECT e.digest, e.fingerprint, e.key, n.read, n.read_key, n.read_product
  FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::text[])
       n (digest, fingerprint, read, read_key, read_product)
  JOIN kck_publish_entry e USING (digest, fingerprint)
    ON CONFLICT DO NOTHING
"""
_MOVED = """
INSERT INTO kck_publish_change (source, op, new)
WITH seen AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::text[], %s::bool[],
        %s::bigint[], %s::pg_snapshot[])
        s (product, key, read, fingerprint, stored, version, stamp)
), held AS (
    SELECT e.digest, e.fingerprint, e.version, e.stamp FROM kck_publish_entry e
     WHERE (e.digest, e.fingerprint) IN (SELECT read, fingerprint FROM seen)
     ORDER BY e.digest, e.fingerprint FOR SHARE SKIP LOCKED
)
SELECT DISTINCT s.product, %s, ARRAY[s.key]
  FROM seen s
  LEFT JOIN kck_publish_entry e ON e.digest = s.read AND e.fingerprint = s.fingerprint
  LEFT JOIN held h ON h.digest = s.read AND h.fingerprint = s.fingerprint
 WHERE CASE WHEN h.digest IS NULL THEN s.stored OR e.digest IS NOT NULL
       WHEN s.version IS NOT NULL THEN h.version <> s.version
       ELSE kck_publish_age_v1(h.stamp) > kck_publish_age_v1(s.stamp) END
"""
# OFFSET has each row looked up by the index, as in ``table_sql.REMOVE_FOREIGN``.
_TELL = """
WITH told AS (
    INSERT INTO kck_publish_change (source, op, new, origin)
    SELECT source, %s, ARRAY[key], nullif(current_setting('kck_publish.origin', true), '')
      FROM unnest(%s::text[], %s::text[], %s::uuid[]) AS row (source, key, digest)
     WHERE EXISTS (SELECT FROM kck_publish_edge g WHERE g.read = row.digest OFFSET 0)
    RETURNING 1
)
SELECT kck_publish_ring_v1() FROM told LIMIT 1
"""
_RING = "SELECT kck_publish_ring_v1()"
_READERS = """
SELECT DISTINCT read_key, key FROM kck_publish_edge WHERE read = ANY (%s::uuid[])
"""
_READERS_OF = "SELECT DISTINCT key FROM kck_publish_edge WHERE read_product = %s"
_READ_OF = "SELECT DISTINCT read_key FROM kck_publish_edge WHERE read_product = %s"
_PAIRS = """
SELECT DISTINCT e.product, g.read_product
  FROM kck_publish_edge g JOIN kck_publish_entry e USING (digest, fingerprint) ORDER BY 1, 2
"""

ANY: tuple[str, list[Any]] = ("SELECT EXISTS (SELECT FROM kck_publish_edge)", [])
"""Asks whether there is any edge at all."""

Reads = Mapping[Address, Sequence[Read]]


def reads_of(entries: Iterable[Stored]) -> Reads:
    """The recorded dependencies of those entries that have any."""
    return {entry.address: entry.reads for entry in entries if entry.reads}


def keep(cursor: Cursor, reads: Reads, stamp: str, replace: bool = False) -> None:
    """Keep what these values, which are stored, were computed from.

    Args:
        reads: by the value's address.
        stamp: the state that they were computed in.
        replace: forget what they were computed from before.
    """
    if not reads:
        return
    addresses = sorted(reads, key=lambda address: (address.hex, address.fingerprint))
    edges = [(address, read) for address in addresses for read in reads[address]]
    readers = identities([address for address, _ in edges])
    digests_read = digests([read.address for _, read in edges])
    if replace:
        cursor.execute(_FORGET, [*identities(addresses), *readers, digests_read])
    if not edges:
        return
    keys = [read.address.key for _, read in edges]
    cursor.execute(_KEEP, [*readers, digests_read, keys, [product_of(key) for key in keys]])
    cursor.execute(
        _MOVED,
        [
            [product_of(address.key) for address, _ in edges],
            [address.key for address, _ in edges],
            digests_read,
            [read.address.fingerprint for _, read in edges],
            [read.stored for _, read in edges],
            [read.version for _, read in edges],
            [read.stamp or stamp for _, read in edges],
            REFRESH,
        ],
    )
    cursor.execute(_RING)


def log_refreshes(cursor: Cursor, keys: Iterable[str]) -> None:
    """Log the refresh of those keys that others were computed from; their rows are held."""
    told = list(dict.fromkeys(keys))
    if told:
        digests_told = digests([Address(key, "") for key in told])
        cursor.execute(_TELL, [REFRESHED, [product_of(key) for key in told], told, digests_told])


def readers_query(keys: Iterable[str]) -> Query:
    """Asks (key, a key that was computed from it), of those among these keys that were read."""
    return _READERS, [digests([Address(key, "") for key in keys])]


def readers(cursor: Cursor, keys: Iterable[str]) -> list[tuple[str, str]]:
    """The answer to ``readers_query``."""
    cursor.execute(*readers_query(keys))
    pairs: list[tuple[str, str]] = cursor.fetchall()
    return pairs


def readers_of(cursor: Cursor, product: str) -> list[str]:
    """The keys that were computed from any key of a product."""
    cursor.execute(_READERS_OF, [product])
    return [key for (key,) in cursor.fetchall()]


def read_of(cursor: Cursor, product: str) -> list[str]:
    """The keys of a product, stored or not, that others were computed from."""
    cursor.execute(_READ_OF, [product])
    return [key for (key,) in cursor.fetchall()]


def pairs(cursor: Cursor) -> list[tuple[str, str]]:
    """(Product, a product that it was computed from without declaring it)."""
    cursor.execute(_PAIRS)
    pairs: list[tuple[str, str]] = cursor.fetchall()
    return pairs
