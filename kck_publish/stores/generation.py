"""Which of the values in a cache are of this database: the generation in their names.

A server that is promoted without the last commits, or is set back to an earlier moment, gives the
numbers of its transactions a second time. What a cache holds of the commits that are gone cannot be
told from what is true, so it is begun anew: all names get another generation.

The table ``kck_publish_generation`` says which generation holds, and where it began. Beside the
values is a *marker*: the generation again, for readers, who look at it once a second; and how much
the shards had claimed. A shard claims before its values are written, so a database that has claimed
less than the marker says was set back. The listener compares at each start, reconnect and beat.

A cache may be set back, too: a Redis that starts from what it saved, or whose replica takes its
place, holds values of some time ago. The marker says which start of which server it was written in.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connections

from .. import search_path
from ..exceptions import StoreUnreachable
from ..log.cluster import TIMELINE
from ..log.snapshot import NOTHING, Snapshot
from ..postgres import Cursor
from .types import Query

#: The generation of values from before any was begun anew.
FIRST = ""
_MADE = "SELECT to_regclass('kck_publish_generation') IS NOT NULL"
_KNOWN = "SELECT generation FROM kck_publish_generation WHERE cache = %s"
_STATE = f"""
SELECT {TIMELINE}, g.generation, g.cluster,
       ARRAY(SELECT claimed::text FROM kck_publish_shard)
  FROM (VALUES (1)) always LEFT JOIN kck_publish_generation g ON cache = %s
"""
_FOREIGN = f"""
SELECT generation <> %s OR cluster <> {TIMELINE} FROM kck_publish_generation WHERE cache = %s
"""
_KEEP = """
INSERT INTO kck_publish_generation VALUES (%s, %s, %s)
ON CONFLICT (cache) DO UPDATE SET generation = excluded.generation, cluster = excluded.cluster
"""
_KEEP_FIRST = "INSERT INTO kck_publish_generation VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
# Of two listeners that find the same, one begins anew.
LOCK = "SELECT pg_advisory_lock('kck_publish_generation'::regclass::oid::int, 0)"
UNLOCK = "SELECT pg_advisory_unlock('kck_publish_generation'::regclass::oid::int, 0)"
# So that a reader who has announced a row that goes, and adds its value afterwards, sees a claim.
CLAIM = "UPDATE kck_publish_shard SET claimed = pg_current_snapshot()"
_MARK = b"kck1|"


@dataclass(frozen=True, slots=True)
class Marker:
    """What is beside the values in the cache.

    Attributes:
        claimed: the latest claim of a shard when it was written.
        server: the start of the cache's server that it was written in; "" where that is not known.
    """

    generation: str
    cluster: str
    claimed: str
    server: str = ""

    def pack(self) -> bytes:
        """The bytes that the cache keeps."""
        said = (self.generation, self.cluster, self.claimed, self.server)
        return _MARK + "|".join(said).encode()

    @classmethod
    def unpack(cls, data: object) -> Marker | None:
        """What was packed; None of anything else."""
        if not isinstance(data, bytes) or not data.startswith(_MARK) or data.count(b"|") != 4:
            return None
        return cls(*data.removeprefix(_MARK).decode().split("|"))


@dataclass(frozen=True, slots=True)
class State:
    """What the database says: where it is now, and which generation it knows.

    Attributes:
        generation: None where none is known: no listener has been there, or all was flushed.
        began: the cluster and timeline in which the generation began.
    """

    cluster: str
    generation: str | None
    began: str | None
    claimed: str

    def fault(self, marker: Marker | None, server: str) -> str:
        """Why the values are not those that were written last; "" where they are.

        Args:
            marker: what stands beside them.
            server: the start of the cache's server; "" where that is not known.
        """
        if self.generation is None:
            return "they are of a database that knew them" if marker is not None else ""
        if self.began != self.cluster:
            return "another server was promoted or restored"
        if marker is None:
            return ""
        if marker.generation != self.generation or marker.cluster != self.cluster:
            return "they were begun anew elsewhere"
        if not Snapshot.parse(self.claimed).includes(Snapshot.parse(marker.claimed)):
            return "the database was set back"
        if marker.server and server and marker.server != server:
            return "the cache's server was started anew, or replaced by another"
        return ""

    def marker(self, server: str) -> Marker:
        """What belongs beside the values."""
        return Marker(self.generation or FIRST, self.cluster, self.claimed, server)


def state(cursor: Cursor, cache: str) -> State:
    """What the database says of a cache's values."""
    cursor.execute(_STATE, [cache])
    cluster, generation, began, claims = cursor.fetchone()
    claimed = max(claims, key=lambda one: Snapshot.parse(one).age, default=NOTHING)
    return State(cluster, generation, began, claimed)


def foreign(cache: str, generation: str) -> Query:
    """An expression: whether values of this generation are not, or not yet, of this database."""
    return _FOREIGN, [generation, cache]


def keep_first(cursor: Cursor, cache: str, cluster: str) -> None:
    """The values that are there, or none, are of this database."""
    cursor.execute(_KEEP_FIRST, [cache, FIRST, cluster])


def keep_new(cursor: Cursor, cache: str, cluster: str) -> str:
    """From now on values have other names; the new generation."""
    generation = secrets.token_hex(8)
    cursor.execute(_KEEP, [cache, generation, cluster])
    return generation


def ask(alias: str, cache: str) -> str:
    """The generation that holds, for a reader who found no marker.

    Raises:
        StoreUnreachable: the database cannot be asked.
    """
    connection = connections[alias]
    connection.ensure_connection()
    search_path.prepare(connection)
    try:
        # Past Django's cursors, which count and log what they are sent.
        if not _one(connection.connection, _MADE):
            return FIRST
        return _one(connection.connection, _KNOWN, cache) or FIRST
    except psycopg.Error as error:
        raise StoreUnreachable(cache, type(error).__name__) from error


def _one(raw: psycopg.Connection[Any], query: Any, *parameters: str) -> Any:
    idle = raw.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    row = psycopg.Cursor(raw).execute(query, parameters, prepare=False).fetchone()
    if idle and not raw.autocommit:
        raw.rollback()
    return row[0] if row else None
