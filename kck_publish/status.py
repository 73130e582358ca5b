"""How the library is doing: lag, shards, listeners, queue, dead letters, trigger coverage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connections

from . import clock
from .capture.catalog import has_log
from .conf import settings
from .diagnosis.registry import Asks, Problem, diagnose, diagnosis
from .exceptions import StoreMissing
from .log.consumers import SHARD, consumers, held
from .log.lag import Lags, lags
from .postgres import Cursor
from .refresh import schedule

# A change is unhandled while some shard's cursor does not see it.
_LOG = """
SELECT count(*), count(*) FILTER (WHERE op = 'refresh')
  FROM kck_publish_change c
 WHERE NOT EXISTS (SELECT FROM kck_publish_shard)
    OR EXISTS (SELECT FROM kck_publish_shard s WHERE NOT s.forgotten
                  AND NOT pg_visible_in_snapshot(c.xid, s.done))
"""
_BACKLOG = "SELECT count(*) FROM kck_publish_backlog"
_SHARDS = """
SELECT s.shard, s.shards, s.done::text, s.epoch,
       extract(epoch FROM clock_timestamp() - s.seen_at)::float,
       extract(epoch FROM clock_timestamp() - s.caught_up_at)::float, s.forgotten, s.owed,
       EXISTS (SELECT FROM pg_locks k JOIN pg_database d ON d.oid = k.database
                WHERE k.locktype = 'advisory' AND k.classid = 'kck_publish_shard'::regclass
                  AND k.objid = s.shard AND k.objsubid = 2 AND k.granted
                  AND d.datname = current_database()),
       (SELECT l.name FROM kck_publish_listener l WHERE s.shard = ANY (l.shards)
         ORDER BY l.seen_at DESC LIMIT 1)
  FROM kck_publish_shard s ORDER BY s.shard
"""
_LISTENERS = """
SELECT name, asleep, shards, seat_belt, audited, differing,
       extract(epoch FROM clock_timestamp() - seen_at)::float,
       EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.backend)
  FROM kck_publish_listener l WHERE kind = 'listener' ORDER BY id
"""
_FAILURES = """
SELECT count(*) FILTER (WHERE due_at IS NOT NULL), count(*) FILTER (WHERE due_at IS NULL)
  FROM kck_publish_failure
"""


START = "Run `manage.py kck_listen` as a service; docs/deployments.md has files for one."


@dataclass(frozen=True)
class Status:
    """What ``kck_status --json`` prints.

    Attributes:
        lag_seconds: since the oldest change that is not handled; 0 when there is none.
        queue: numbers of ``log`` rows, requested ``refreshes`` and ``retries`` still to do, and
            how many parts of the log are ``deferred``, to be worked off in pages.
        shards: the shards with their cursor and owner.
        listeners: the listeners that have announced themselves.
        dead_letters: how many keys somebody has to look at.
        triggers: what is wrong with the capture; empty when nothing is.
        problems: why it is not healthy.
        consumers: who follows the log beside the shards, with the rows kept for each.
        seat_belt: how often the listeners found what nobody had rung for; it should be never.
        schedule: products with ``refresh_every``: when each is next ``due_at``.
        audit: keys ``compared`` in the background, and ``differing``, since the listeners began.
    """

    lag_seconds: float
    queue: dict[str, int]
    shards: list[dict[str, Any]]
    listeners: list[dict[str, Any]]
    dead_letters: int
    triggers: list[str]
    problems: list[str]
    consumers: list[dict[str, Any]]
    seat_belt: int
    audit: dict[str, int]
    schedule: list[dict[str, Any]]

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
        log, refreshes = cursor.fetchone()
        behind = lags(cursor)
        cursor.execute(_BACKLOG)
        (deferred,) = cursor.fetchone()
        shards = _shards(cursor, behind)
        cursor.execute(_LISTENERS)
        listeners = [dict(zip(_LISTENER, row, strict=True)) for row in cursor.fetchall()]
        followers = consumers(cursor)
        cursor.execute(_FAILURES)
        retries, dead = cursor.fetchone()
        plans = schedule.plans(cursor)
    lag = behind.longest
    triggers = [str(problem) for problem in diagnose("triggers", alias)]
    problems = [*triggers]
    if lag > max_lag:
        problems.append(f"The oldest unhandled change is {lag:.1f} s old.")
    if dead:
        problems.append(f"{dead} dead letters wait: see kck_dead_letters list.")
    problems += [problem for shard in shards if (problem := _problem_of_shard(shard))]
    problems += [
        f"Consumer {consumer['name']} ({consumer['kind']}) has given no sign for "
        f"{_held(consumer)}: start it, or kck_forget {consumer['name']}."
        for consumer in followers
        if consumer["seen_seconds_ago"] > settings.SILENCE
    ]
    problems += [
        f"{plan['product']} should have been refreshed at {plan['due_at']}: start a listener."
        for plan in plans
        if (clock.now() - plan["due_at"]).total_seconds() > settings.SILENCE
    ]
    differing = sum(listener["differing"] for listener in listeners)
    seat_belt = sum(listener["seat_belt"] for listener in listeners)
    queue = {"log": log, "refreshes": refreshes, "retries": retries, "deferred": deferred}
    return Status(
        lag,
        queue,
        shards,
        listeners,
        dead,
        triggers,
        problems,
        followers,
        seat_belt,
        {"compared": sum(listener["audited"] for listener in listeners), "differing": differing},
        plans,
    )


@diagnosis("followers", Asks.RUNNING)
def followers_behind(alias: str) -> Iterator[Problem]:
    """What the status calls unhealthy, beside the triggers."""
    now = status(alias=alias)
    for problem in now.problems:
        if problem not in now.triggers:
            yield Problem("W010", problem)
    if not any(listener["connected"] for listener in now.listeners):
        yield Problem("W011", "No listener is running: no change is handled.", START)


_SHARD = (
    "shard",
    "shards",
    "cursor",
    "epoch",
    "seen_seconds_ago",
    "caught_up_seconds_ago",
    "forgotten",
    "owed",
    "owned",
    "listener",
)
_LISTENER = (
    "name",
    "asleep",
    "shards",
    "seat_belt",
    "audited",
    "differing",
    "seen_seconds_ago",
    "connected",
)


def _shards(cursor: Cursor, behind: Lags) -> list[dict[str, Any]]:
    cursor.execute(_SHARDS)
    shards = [dict(zip(_SHARD, row, strict=True)) for row in cursor.fetchall()]
    for shard in shards:
        shard["lag_seconds"] = behind.of(shard["shard"])
        shard["holds"] = 0 if shard["forgotten"] else held(cursor, shard["cursor"])
        shard["owed"] = len(shard["owed"])
    return shards


def _problem_of_shard(shard: dict[str, Any]) -> str:
    name = f"Shard {shard['shard']}"
    if shard["owed"]:
        return f"{name}: the failures of {shard['owed']} keys could not be recorded."
    if shard["forgotten"]:
        return f"{name} was forgotten: start a listener, which primes its keys anew."
    if not shard["owned"] and shard["seen_seconds_ago"] > settings.SILENCE:
        return (
            f"{name} has been nobody's for {_held(shard)}: start kck_listen, or kck_forget "
            f"{SHARD}{shard['shard']}."
        )
    return ""


def _held(owner: dict[str, Any]) -> str:
    return (
        f"{owner['seen_seconds_ago']:.0f} s, and {owner['holds']} rows of the log are kept for it"
    )
