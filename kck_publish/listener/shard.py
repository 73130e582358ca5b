"""One shard's place in the log: its cursor, and its owner's epoch. ``assignment`` gives them out.

A worker owns a shard through a session advisory lock. What it writes is fenced by the epoch: see
``session``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from .. import clock, stores
from ..conf import settings
from ..exceptions import ConfigurationError, StoreUnreachable
from ..log import consumers, reader
from ..log.cluster import CLUSTER
from ..log.consumers import SHARD_LOCKS
from ..log.keys import shard_of
from ..log.snapshot import NOTHING, Snapshot
from ..refresh import backlog
from ..refresh.backlog import Deferred
from ..refresh.carry_over import Echoes
from ..stores import Fence

logger = logging.getLogger("kck_publish")

# Before anything was due.
_NEVER = datetime.min.replace(tzinfo=UTC)
_CLUSTER = f"SELECT {CLUSTER}"
# Session advisory locks: the holder of a shard's owns it.
_LOCK = f"SELECT pg_try_advisory_lock({SHARD_LOCKS}, %s)"
_UNLOCK = f"SELECT pg_advisory_unlock({SHARD_LOCKS}, %s)"
_LOCK_MEANWHILE = f"SELECT pg_try_advisory_xact_lock({SHARD_LOCKS}, %s)"
_EMPTY = sql.SQL("DELETE FROM {}")
# An epoch is later than all that were before it, also when the row is made anew.
_CREATE = """
INSERT INTO kck_publish_shard (shard, shards, claimed, done, floor, cluster, caught_up_at, epoch)
VALUES (%s, %s, %s, %s, %s, %s, %s, (extract(epoch FROM clock_timestamp()) * 1e6)::bigint)
ON CONFLICT DO NOTHING
"""
_TAKE = """
UPDATE kck_publish_shard SET epoch = epoch + 1, seen_at = clock_timestamp()
 WHERE shard = %s RETURNING done::text, epoch, owed, forgotten, floor::text
"""
# It has missed what was trimmed. Claimed anew before its entries are removed: see prime.
_BEGIN_ANEW = """
UPDATE kck_publish_shard SET forgotten = false, done = %s, claimed = pg_current_snapshot(),
    caught_up_at = NULL
 WHERE shard = %s
"""
_OF_ALL = """
SELECT shard, shards, done::text, caught_up_at, owed, forgotten, floor::text
  FROM kck_publish_shard
"""
_HAND_ON = "UPDATE kck_publish_shard SET owed = %s, forgotten = %s"


@dataclass(frozen=True)
class OwnedShard:
    """The place of a worker in the log, and the epoch under which it owns the shard.

    Attributes:
        owed: keys whose failure could not be recorded, to be tried again.
        backlog: what was put aside, and is still to be handled.
        turn: the part of it that had its turn last.
        pace: how large the next page of it is.
        floor: what a value's stamp must include to be augmented, if the cursor was set back.
        echoes: what the last batch has left.
        retries_from: nothing is retried before: what had failed could not be written.
    """

    shard: int
    shards: int
    done: str
    epoch: int
    owed: frozenset[str] = frozenset()
    backlog: tuple[Deferred, ...] = ()
    turn: int = 0
    pace: int = 1000
    floor: str = NOTHING
    echoes: Echoes = field(default_factory=Echoes)
    retries_from: datetime | None = None

    @property
    def due_by(self) -> datetime:
        """What was to be retried by then is due."""
        now = clock.now()
        return now if self.retries_from is None or self.retries_from <= now else _NEVER

    @property
    def fence(self) -> Fence:
        """The fence that keeps workers of earlier epochs from writing outside the database."""
        return Fence(self.shard, self.shards, self.epoch)


def take(desk: psycopg.Connection[Any], shard: int, shards: int) -> OwnedShard | None:
    """Own a shard from now on; None when another worker owns it."""
    if not _value(desk, _LOCK, shard):
        return None
    cluster = _value(desk, _CLUSTER)
    desk.execute(_CREATE, [shard, shards, NOTHING, NOTHING, NOTHING, cluster, None])
    taken = desk.execute(_TAKE, [shard]).fetchone()
    assert taken is not None
    done, epoch, owed, forgotten, floor = taken
    try:
        stores.current().fence(Fence(shard, shards, epoch))
        if forgotten:
            logger.warning(
                "Shard %d was forgotten (kck_forget), and has missed changes: what is stored of "
                "it is removed, to be primed anew.",
                shard,
            )
            with desk.cursor() as cursor:
                stores.current().drop(cursor, shard, shards)
            desk.execute("DELETE FROM kck_publish_backlog WHERE shard = %s", [shard])
            desk.execute(_BEGIN_ANEW, [NOTHING, shard])
            done = NOTHING
    except StoreUnreachable:
        desk.execute(_UNLOCK, [shard])
        raise
    ahead = not Snapshot.parse(done).includes(Snapshot.parse(floor))
    return OwnedShard(
        shard,
        shards,
        done,
        epoch,
        frozenset(owed),
        backlog.load(desk, shard),
        pace=min(settings.MAX_BATCH, settings.MAX_CHANGES),
        floor=floor if ahead else NOTHING,
    )


def release(desk: psycopg.Connection[Any], place: OwnedShard) -> None:
    """Give the shard up."""
    desk.execute(_UNLOCK, [place.shard])


def owner(place: OwnedShard) -> Callable[[str], bool]:
    """Tells whether a key is of the shard."""
    if place.shards == 1:
        return lambda key: True
    return lambda key: shard_of(key, place.shards) == place.shard


def any_unseen(desk: psycopg.Connection[Any], places: Iterable[OwnedShard]) -> bool:
    """Whether anything is committed that one of these shards has not seen."""
    with desk.cursor() as cursor:
        return any(reader.any_unseen(cursor, place.done) for place in places)


def agree(desk: psycopg.Connection[Any], shards: int) -> None:
    """See to it that the cursors are those of this number of shards.

    When the number has changed, every new shard starts where the last of the old ones was, or
    what that had put aside.

    Raises:
        ConfigurationError: when listeners with another number still run.
    """
    cluster = _value(desk, _CLUSTER)
    with desk.transaction():
        others = "SELECT EXISTS (SELECT FROM kck_publish_shard WHERE cluster <> %s)"
        if _value(desk, others, cluster):
            logger.warning(
                "The cursors are of another cluster (a restored dump?): starting anew, and "
                "everything is primed again."
            )
            with desk.cursor() as cursor:  # states of two clusters cannot be compared
                stores.current().drop(cursor, 0, 1, by_hand=True)
            for table in ("failure", "change", "backlog", "shard"):
                desk.execute(_EMPTY.format(sql.Identifier(f"kck_publish_{table}")))
            with desk.cursor() as cursor:
                consumers.forget_all(cursor)
            return
        rows = desk.execute(_OF_ALL).fetchall()
        if not rows or all(row[1] == shards for row in rows):
            return
        for shard in range(max(shards, *(row[1] for row in rows))):
            if not _value(desk, _LOCK_MEANWHILE, shard):
                raise ConfigurationError(
                    f"SHARDS is {shards} here, and listeners with {rows[0][1]} are running: stop "
                    "them first, then start all with the same number."
                )
        left = desk.execute("DELETE FROM kck_publish_backlog RETURNING since::text").fetchall()
        oldest = min((row[2] for row in rows), key=_age)
        oldest = min((oldest, *(row[0] for row in left)), key=_age)
        # Some values may already include what a cursor that is set back has not seen.
        floor = max((snapshot for row in rows for snapshot in (row[2], row[6])), key=_age)
        since = min((row[3] for row in rows if row[3]), default=None)
        owed = {key for row in rows for key in row[4]}
        forgotten = any(row[5] for row in rows)
        desk.execute("DELETE FROM kck_publish_shard")
        for shard in range(shards):
            desk.execute(_CREATE, [shard, shards, oldest, oldest, floor, cluster, since])
        desk.execute(_HAND_ON, [sorted(owed), forgotten])


def _age(snapshot: str) -> int:
    return Snapshot.parse(snapshot).age


def _value(desk: psycopg.Connection[Any], query: Any, *parameters: Any) -> Any:
    row = desk.execute(query, parameters).fetchone()
    return row[0] if row else None
