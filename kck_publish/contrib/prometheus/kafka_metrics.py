"""How Kafka's consumers and the relay are, from their tables; nothing where neither is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...postgres import Cursor

_THERE = "SELECT to_regclass('kck_publish_kafka_offset') IS NOT NULL"
_PARTITIONS = """
SELECT consumer, topic, partition::text, greatest(seen - next, 0),
       CASE WHEN next < seen THEN extract(epoch FROM clock_timestamp() - message_at)::float
            ELSE 0 END,
       extract(epoch FROM clock_timestamp() - seen_at)::float
  FROM kck_publish_kafka_offset ORDER BY consumer, topic, partition
"""
_FAILURES = """
SELECT consumer, topic, state, count(*) FROM kck_publish_kafka_failure
 GROUP BY consumer, topic, state ORDER BY consumer, topic, state
"""
_RELAYED = """
SELECT topic, sent, suppressed, failed, (error <> '')::int,
       (SELECT count(*) FROM kck_publish_kafka_unsent u WHERE u.topic = r.topic)
  FROM kck_publish_kafka_relay r ORDER BY topic
"""

# Name, text, and the samples with their labels.
Gauge = tuple[str, str, list[tuple[dict[str, str], float]]]


def gauges(cursor: Cursor) -> Iterator[Gauge]:
    """The gauges of each partition, of failures, and of each topic that is relayed."""
    cursor.execute(_THERE)
    if not cursor.fetchone()[0]:
        return
    where = ("group", "topic", "partition")
    texts = {
        "kafka_lag_messages": "Messages of a partition that a group has still to handle.",
        "kafka_lag_seconds": "Age of the last handled message, where there are later ones.",
        "kafka_silent_seconds": "Since a consumer's last sign of life for a partition.",
    }
    yield from _gauges(cursor, _PARTITIONS, where, texts)
    texts = {"kafka_failures": "Messages that are retried, or are dead letters."}
    yield from _gauges(cursor, _FAILURES, ("group", "topic", "state"), texts)
    texts = {
        "kafka_sent": "Messages of the relay that were acknowledged.",
        "kafka_suppressed": "Changes that the relay has not sent, on purpose.",
        "kafka_send_failures": "How often a topic could not be written.",
        "kafka_unwritable": "Whether a topic cannot be written now.",
        "kafka_unsent": "Messages that the broker refuses, tried again.",
    }
    yield from _gauges(cursor, _RELAYED, ("topic",), texts)


def _gauges(
    cursor: Cursor, query: str, labels: tuple[str, ...], texts: dict[str, str]
) -> Iterator[Gauge]:
    cursor.execute(query)
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    for column, (name, text) in enumerate(texts.items(), start=len(labels)):
        named = [(dict(zip(labels, row, strict=False)), float(row[column] or 0)) for row in rows]
        yield name, text, named
