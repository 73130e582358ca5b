"""How the library is doing: lag, shards, listeners, queue, dead letters, trigger coverage."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.db import connections

from .capture import faults
from .catalogue import has_log
from .conf import settings
from .exceptions import StoreMissing

# A change is unhandled while some shard's cursor does not see it.
_LOG = """
SELECT count(*), count(*) FILTER (WHERE op = 'refresh'),
       coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float
  FROM kck_publish_change c
 WHERE NOT EXISTS (SELECT FROM kck_publish_shard)
    OR EXISTS (SELECT FROM kck_publish_shard s WHERE NOT pg_visible_in_snapshot(c.xid, s.done))
"""
_SHARDS = """
SELECT s.shard, s.shards, s.done::text, s.epoch,
       extract(epoch FROM clock_timestamp() - s.seen_at)::float,
       (SELECT l.name FROM kck_publish_listener l WHERE s.shard = ANY (l.shards)
         ORDER BY l.seen_at DESC LIMIT 1)
  FROM kck_publish_shard s ORDER BY s.shard
"""
_LISTENERS = """
SELECT name, asleep, shards, seat_belt, extract(epoch FROM clock_timestamp() - seen_at)::float,
       EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.backend)
  FROM kck_publish_listener l ORDER BY id
"""
_FAILURES = """
SELECT count(*) FILTER (WHERE due_at IS NOT NULL), count(*) FILTER (WHERE due_at IS NULL)
  FROM kck_publish_failure
"""


@dataclass(frozen=True)
class Status:
    """What ``kck_status --json`` prints.

    Attributes:
        lag_seconds: since the oldest change that is not handled; 0 when there is none.
        queue: numbers of ``log`` rows, requested ``refreshes`` and ``retries`` still to do.
        shards: the shards with their cursor and owner.
        listeners: the listeners that have announced themselves.
        dead_letters: how many keys somebody has to look at.
        triggers: what is wrong with the capture; empty when nothing is.
        problems: why it is not healthy.
    """

    lag_seconds: float
    queue: dict[str, int]
    shards: list[dict[str, Any]]
    listeners: list[dict[str, Any]]
    dead_letters: int
    triggers: list[str]
    problems: list[str]

    @property
    def healthy(self) -> bool:
        """Whether nothing needs anybody."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"healthy": self.healthy}


def status(max_lag: float = 5.0, alias: str | None = None) -> Status:
    """Look at the database.

    Args:
        max_lag: seconds of lag from which on it is unhealthy.
        alias: the database; the setting DATABASE by default.

    Raises:
        StoreMissing: when the library is not migrated there.
    """
    alias = alias or settings.DATABASE
    connection = connections[alias]
    if not has_log(connection):
        raise StoreMissing("kck_publish_change", alias)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('kck_publish_entry')")
        if cursor.fetchone() == (None,):
            raise StoreMissing("kck_publish_entry", alias)
        cursor.execute(_LOG)
        log, refreshes, lag = cursor.fetchone()
        cursor.execute(_SHARDS)
        names = ("shard", "shards", "cursor", "epoch", "seen_seconds_ago", "listener")
        shards = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        cursor.execute(_LISTENERS)
        names = ("name", "asleep", "shards", "seat_belt", "seen_seconds_ago", "connected")
        listeners = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        cursor.execute(_FAILURES)
        retries, dead = cursor.fetchone()
    triggers = [str(fault) for fault in faults(alias)]
    problems = [*triggers]
    if lag > max_lag:
        problems.append(f"The oldest unhandled change is {lag:.1f} s old.")
    if dead:
        problems.append(f"{dead} dead letters wait: see kck_dead_letters list.")
    queue = {"log": log, "refreshes": refreshes, "retries": retries}
    return Status(lag, queue, shards, listeners, dead, triggers, problems)
