"""The record of keys whose refresh failed: attempts, the time of the next one, dead letters.

Kept in a table, so that attempts survive restarts. A failing key keeps its old value, marked as
behind; a retry is a prime.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .. import clock
from ..conf import settings
from ..log import refreshes
from ..postgres import Cursor
from ..products.product import Product
from ..retry_policy import LONGEST, Retry
from ..stores import Address
from ..stores.arrays import AMONG, identities
from .errors import keep
from .paused_products import UNPAUSED

#: Of failures: how many are tried again, and how many are dead letters.
RETRYING_AND_DEAD = """
count(*) FILTER (WHERE due_at IS NOT NULL) AS retrying,
count(*) FILTER (WHERE due_at IS NULL) AS dead
"""
_FAILED = """
INSERT INTO kck_publish_failure AS f
    (digest, fingerprint, key, product, bucket, attempts, due_at, error, message,
     traceback)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (digest, fingerprint) DO UPDATE SET attempts = excluded.attempts,
    due_at = excluded.due_at, error = excluded.error, message = excluded.message,
    traceback = excluded.traceback
"""
_ATTEMPTS = f"""
SELECT digest, attempts FROM kck_publish_failure
 WHERE {AMONG}
"""
_BEHIND = f"""
UPDATE kck_publish_entry SET behind = true
 WHERE NOT behind AND {AMONG}
"""
_FORGET = f"""
DELETE FROM kck_publish_failure
 WHERE {AMONG}
"""
_ANY = "SELECT EXISTS (SELECT FROM kck_publish_failure)"
_DUE = f"""
SELECT key FROM kck_publish_failure
 WHERE due_at <= %s AND fingerprint = ANY (%s) AND bucket %% %s = %s AND {UNPAUSED}
 ORDER BY due_at LIMIT %s
"""
_FAR_OFF = "SELECT EXISTS (SELECT FROM kck_publish_failure WHERE due_at > %s)"
_HASTEN = "UPDATE kck_publish_failure SET due_at = %s WHERE due_at > %s"
_REVIVE = """
UPDATE kck_publish_failure SET attempts = 0, due_at = %s
 WHERE due_at IS NULL AND (%s::text[] IS NULL OR key = ANY (%s)) RETURNING key
"""
_DISCARD = """
DELETE FROM kck_publish_failure
 WHERE due_at IS NULL AND (%s::text[] IS NULL OR key = ANY (%s)) RETURNING key
"""
_LETTER = ("key", "product", "attempts", "first_at", "error", "message", "traceback")
_DEAD = f"""
SELECT {", ".join(_LETTER)} FROM kck_publish_failure WHERE due_at IS NULL ORDER BY first_at
"""
_NEXT = f"""
SELECT min(due_at) FROM kck_publish_failure
 WHERE bucket %% %s = ANY (%s) AND fingerprint = ANY (%s) AND {UNPAUSED}
"""


@dataclass(frozen=True)
class Failure:
    """A key whose refresh has just failed."""

    product: Product
    address: Address
    error: Exception


def policy(product: Product) -> Retry:
    """The retry policy of a product whose refresh fails."""
    if product.retry is not None:
        return product.retry
    return settings.RETRY or Retry()


@dataclass(frozen=True)
class Try:
    """The failed attempts of a key, and the time of the next one; none: a dead letter."""

    attempts: int
    due_at: datetime | None


def record(cursor: Cursor, failures: Sequence[Failure]) -> dict[str, Try]:
    """Keep that these failed; what comes next, by key."""
    cursor.execute(_ATTEMPTS, identities([failure.address for failure in failures]))
    before: Mapping[Any, int] = dict(cursor.fetchall())
    tries = {}
    for failure in failures:
        address, retry = failure.address, policy(failure.product)
        attempts = before.get(address.digest, 0) + 1
        again = retry.allows(failure.error, attempts)
        then = Try(attempts, clock.now() + retry.wait(attempts) if again else None)
        cursor.execute(
            _FAILED,
            [
                address.digest,
                address.fingerprint,
                address.key,
                failure.product.name,
                address.bucket,
                attempts,
                then.due_at,
                *keep(failure.error),
            ],
        )
        tries[address.key] = then
    return tries


def mark_behind(cursor: Cursor, addresses: Sequence[Address]) -> None:
    """What is stored of these keys is not what it should be, as far as anybody knows."""
    cursor.execute(_BEHIND, identities(addresses))


def forget(cursor: Cursor, addresses: Sequence[Address]) -> None:
    """These have been refreshed, or removed: nothing is left to retry."""
    cursor.execute(_FORGET, identities(addresses))


def due_query(
    fingerprints: Sequence[str], shard: int, shards: int, limit: int, at: datetime
) -> tuple[str, list[Any]]:
    """Asks the keys of a shard, of this code's fingerprints, whose time has come by then."""
    return _DUE, [at, list(fingerprints), shards, shard, limit]


def any_query() -> tuple[str, list[Any]]:
    """Asks whether anything at all has failed: mostly not, and then there is nothing to forget."""
    return _ANY, []


def next_query(
    owned: Iterable[int], shards: int, fingerprints: Sequence[str]
) -> tuple[str, list[Any]]:
    """Asks the time of the next retry of these shards, of values of this code."""
    return _NEXT, [shards, list(owned), list(fingerprints)]


def dead(cursor: Cursor) -> list[dict[str, Any]]:
    """The dead letters, the oldest first: ``_LETTER`` by name."""
    clock.aware(cursor).execute(_DEAD)
    return [dict(zip(_LETTER, row, strict=True)) for row in cursor.fetchall()]


def hasten(cursor: Cursor) -> None:
    """Have what no policy puts off for so long tried now: a clock was ahead when it failed."""
    latest = clock.now() + 2 * LONGEST
    cursor.execute(_FAR_OFF, [latest])
    if cursor.fetchone() == (True,):  # else the table may be locked
        cursor.execute(_HASTEN, [clock.now(), latest])


def revive(cursor: Cursor, keys: Sequence[str] | None) -> list[str]:
    """Have dead letters (all when None) tried again, from the first attempt on; their keys."""
    cursor.execute(_REVIVE, [clock.now(), keys, keys])
    found = [row[0] for row in cursor.fetchall()]
    refreshes.log(cursor, refreshes.REFRESH, found)
    return found


def discard(cursor: Cursor, keys: Sequence[str] | None) -> list[str]:
    """Forget dead letters (all when None); what they were keys of stays as it is, behind."""
    cursor.execute(_DISCARD, [keys, keys])
    return [row[0] for row in cursor.fetchall()]
