"""What is known of the relay and the consumers: lag, dead letters, errors. No broker is asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ... import clock, status
from ...conf import settings
from ...postgres import Cursor
from . import registry

# How long a reader takes a lag for known, in seconds.
KNOWN_FOR = 0.5
# A partition that is not at its end is as far behind as its last handled message; one of which no
# consumer gives a sign of life, as far as that.
_LAG = """
SELECT coalesce(max(greatest(
    CASE WHEN next < seen THEN extract(epoch FROM clock_timestamp() - message_at) END,
    extract(epoch FROM clock_timestamp() - seen_at) - 2)), 0)::float
  FROM kck_publish_kafka_offset WHERE consumer = %s AND topic = %s
"""
_PARTITIONS = """
SELECT consumer, topic, partition, next, greatest(seen - next, 0), handled,
       CASE WHEN next < seen THEN extract(epoch FROM clock_timestamp() - message_at)::float
            ELSE 0 END,
       extract(epoch FROM clock_timestamp() - seen_at)::float
  FROM kck_publish_kafka_offset ORDER BY consumer, topic, partition
"""
_RELAYED = """
SELECT r.topic, r.sent, r.suppressed, r.failed, r.error,
       extract(epoch FROM clock_timestamp() - r.sent_at)::float, count(u.id),
       (SELECT done::text FROM kck_publish_consumer WHERE name = 'kafka:' || r.topic LIMIT 1)
  FROM kck_publish_kafka_relay r LEFT JOIN kck_publish_kafka_unsent u USING (topic)
 GROUP BY r.topic ORDER BY r.topic
"""
_FAILURES = """
SELECT consumer, topic, state, count(*), count(*) FILTER (WHERE tell_error <> ''), max(tell_error)
  FROM kck_publish_kafka_failure
 GROUP BY consumer, topic, state ORDER BY consumer, topic, state
"""
_THERE = "SELECT to_regclass('kck_publish_kafka_offset') IS NOT NULL"


def lag(cursor: Cursor, group: str, topic: str) -> timedelta:
    """How far a group is behind a topic."""
    cursor.execute(_LAG, [group, topic])
    return timedelta(seconds=cursor.fetchone()[0]) + clock.moved()


def report(cursor: Cursor) -> dict[str, list[dict[str, Any]]]:
    """Topics of the relay, partitions of the consumers, and failures, for ``kck_status``."""
    cursor.execute(_THERE)
    if not cursor.fetchone()[0]:
        return {}
    return {
        "topics": _rows(
            cursor, _RELAYED,
            "topic", "sent", "suppressed", "failed", "error", "sent_seconds_ago", "unsent",
            "cursor",
        ),
        "partitions": _rows(
            cursor, _PARTITIONS,
            "group", "topic", "partition", "next", "lag", "handled", "lag_seconds",
            "seen_seconds_ago",
        ),
        "failures": _rows(
            cursor, _FAILURES,
            "group", "topic", "state", "number",
            "not_shown", "error",
        ),
    }  # fmt: skip


def _rows(cursor: Cursor, query: str, *names: str) -> list[dict[str, Any]]:
    cursor.execute(query)
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def problems(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Why it is not healthy, a sentence each."""
    sentences = []
    for topic in found.get("topics", ()):
        if topic["error"]:
            sentences.append(f"Topic {topic['topic']} is not filled: {topic['error']}.")
        if topic["unsent"]:
            sentences.append(
                f"Topic {topic['topic']}: {topic['unsent']} messages are refused by the broker and "
                "tried again: see message.max.bytes here and max.message.bytes there."
            )
    declared = {(one.group, one.topic) for one in registry.consumers.values()}
    silent = {
        (partition["group"], partition["topic"])
        for partition in found.get("partitions", ())
        if partition["seen_seconds_ago"] > settings.SILENCE
    }
    sentences += [
        f"Nothing consumes topic {topic} for group {group}: start kck_consume."
        for group, topic in sorted(silent & declared)
    ]
    sentences += [
        f"{failure['not_shown']} failed messages of group {failure['group']}, topic "
        f"{failure['topic']}, cannot be shown in a topic ({failure['error']}): they are kept."
        for failure in found.get("failures", ())
        if failure["not_shown"]
    ]
    return sentences + [
        f"{failure['number']} dead letters of group {failure['group']}, topic "
        f"{failure['topic']}: see kck_dead_letters list."
        for failure in found.get("failures", ())
        if failure["state"] == "dead"
    ]


status.watch("kafka", report, problems)
