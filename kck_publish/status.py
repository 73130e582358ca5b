"""The status of the library: lag, shards, listeners, queue, dead letters, trigger coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connections

from . import clock
from .capture.catalog import has_log
from .conf import settings
from .diagnosis.registry import Asks, Problem, diagnose, diagnosis
from .exceptions import StoreMissing
from .log.consumers import SHARD, consumers, held
from .log.lag import lags
from .ops import workers
from .postgres import Cursor
from .refresh import paused_products, schedule
from .refresh.failures import RETRYING_AND_DEAD

# A change is unhandled while some shard's cursor does not see it.
_LOG = """
SELECT count(*), count(*) FILTER (WHERE op = 'refresh')
  FROM kck_publish_change c
 WHERE NOT EXISTS (SELECT FROM kck_publish_shard)
    OR EXISTS (SELECT FROM kck_publish_shard s WHERE NOT s.forgotten
                  AND NOT pg_visible_in_snapshot(c.xid, s.done))
"""
_BACKLOG = "SELECT count(*) FROM kck_publish_backlog"
_FAILURES = f"""
SELECT {RETRYING_AND_DEAD}
  FROM kck_publish_failure
"""


# What a part of the library that stands above this one reports of itself, and what is wrong of it.
Report = dict[str, list[dict[str, Any]]]
_watched: dict[str, tuple[Callable[[Cursor], Report], Callable[[Report], list[str]]]] = {}


def watch(
    name: str, report: Callable[[Cursor], Report], problems: Callable[[Report], list[str]]
) -> None:
    """Have the status include what a part of the library reports.

    Args:
        name: a field of ``Status``.
        report: looks at the database.
        problems: the sentences of what is wrong.
    """
    _watched[name] = (report, problems)


START = "Run `manage.py kck_listen` as a service; docs/deployments.md has files for one."


@dataclass(frozen=True)
class Status:
    """The fields that ``kck_status --json`` prints.

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
        kafka: ``topics`` of the relay, ``partitions`` of consumers with their ``lag``, and
            ``failures``, where ``contrib.kafka`` is used.
        paused: products of which nothing is computed, ``since`` when and ``by`` whom, with how
            many ``keys`` (or the ``whole`` product) are refreshed when they are resumed.
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
    kafka: Report
    paused: list[dict[str, Any]]

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
        shards = workers.shards(cursor, behind)
        for shard in shards:
            shard["holds"] = 0 if shard["forgotten"] else held(cursor, shard["cursor"])
        listeners = workers.listeners(cursor)
        followers = consumers(cursor)
        cursor.execute(_FAILURES)
        retries, dead = cursor.fetchone()
        plans = schedule.plans(cursor)
        watched: dict[str, Report] = {"kafka": {}}
        watched |= {name: report(cursor) for name, (report, _) in _watched.items()}
        paused = paused_products.pauses(cursor)
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
    for name, (_, sentences) in _watched.items():
        problems += sentences(watched[name])
    problems += [
        f"{plan['product']} should have been refreshed at {plan['due_at']}: start a listener."
        for plan in plans
        if (clock.now() - plan["due_at"]).total_seconds() > settings.SILENCE
        and plan["product"] not in {each.product for each in paused}
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
        watched["kafka"],
        [asdict(each) for each in paused],
    )


@diagnosis("followers", Asks.RUNNING)
def followers_behind(alias: str) -> Iterator[Problem]:
    """The problems that make the status unhealthy, beside the triggers."""
    now = status(alias=alias)
    for problem in now.problems:
        if problem not in now.triggers:
            yield Problem("W010", problem)
    if not any(listener["connected"] for listener in now.listeners):
        yield Problem("W011", "No listener is running: no change is handled.", START)


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
