"""The history of a wrong key: what the database and the soak know of how it came to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

# Rows of the log that name the key, or whose row one of its parameters names.
LOG = """
SELECT seq, xid, at, source, op, columns, old, new, origin,
       pg_visible_in_snapshot(xid, %(stamp)s::pg_snapshot) AS in_stamp
  FROM kck_publish_change
 WHERE new = ARRAY[%(key)s] OR op = 'truncate' OR EXISTS (
           SELECT FROM unnest(columns, old, new) AS one(name, was, now)
            WHERE (was = ANY (%(values)s) OR now = ANY (%(values)s))
              AND (name = ANY (%(names)s) OR name = 'id' AND source <> 'soak_posting'))
 ORDER BY seq DESC LIMIT 60
"""
NAMES = ["account_id", "team_id", "slug", "city", "name"]
QUERIES = {
    "entry": "SELECT key, fingerprint, product, bucket, body, stamp, by, version, primed_at, "
    "behind, reason, seconds FROM kck_publish_entry WHERE key = %(key)s",
    "failure": "SELECT * FROM kck_publish_failure WHERE key = %(key)s",
    "shards": "SELECT * FROM kck_publish_shard ORDER BY shard",
    "listeners": "SELECT * FROM kck_publish_listener",
    "log": LOG,
    "ledger": "SELECT * FROM soak_ledger WHERE account::text = ANY (%(values)s) "
    "ORDER BY id DESC LIMIT 40",
}


def tell(dsn: str, keys: Sequence[str]) -> Iterable[str]:
    """The lines of the history of some keys."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for key in keys:
            yield f"== {key}"
            yield from _of(connection, key)


def _of(connection: psycopg.Connection[Any], key: str) -> Iterable[str]:
    values = [one for one in re.split("[/:,]", key.partition("/")[2]) if one]
    found = connection.execute(
        "SELECT stamp::text FROM kck_publish_entry WHERE key = %s LIMIT 1", [key]
    ).fetchone()
    stamp = found[0] if found else "1:1:"
    parameters = {"key": key, "values": values, "names": NAMES, "stamp": stamp}
    for name, query in QUERIES.items():
        cursor = connection.execute(query, parameters)
        columns = [column.name for column in cursor.description or ()]
        for row in cursor.fetchall():
            pairs = zip(columns, row, strict=True)
            yield f"  {name}: " + " ".join(f"{one}={value}" for one, value in pairs)
