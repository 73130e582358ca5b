"""The keys that a topic holds a value of, read from its beginning to its end."""

from __future__ import annotations

import time
from typing import Any

from . import config
from .cluster import Cluster

# Seconds without a message after which a topic has been read: where the ends of all partitions have
# been told (a broker may tell an end too early), and where they have not.
QUIET, UNTOLD = 0.5, 5.0


def live_keys(topic: str, cluster: Cluster) -> set[str]:
    """The keys whose last message in a topic has a value; empty when there is no such topic.

    Raises:
        confluent_kafka.KafkaException: the brokers do not answer.
    """
    kafka = config.module()
    partitions = cluster.partitions([topic]).get(topic, [])
    if not partitions:
        return set()
    given = config.client("consumer", config.CONSUMER)
    given |= {"group.id": given.get("group.id", "kck_publish"), "enable.partition.eof": True}
    given |= {"auto.offset.reset": "earliest"}
    consumer = kafka.Consumer(given)
    try:
        beginning = kafka.OFFSET_BEGINNING
        consumer.assign([kafka.TopicPartition(topic, number, beginning) for number in partitions])
        return _read(consumer, set(partitions), kafka.KafkaError._PARTITION_EOF)
    finally:
        consumer.close()


def _read(consumer: Any, left: set[int], end: int) -> set[str]:
    keys: set[str] = set()
    heard = time.monotonic()
    while time.monotonic() - heard < (UNTOLD if left else QUIET):
        for message in consumer.consume(1000, 0.2):
            error = message.error()
            if error is not None:
                if error.code() == end:
                    left.discard(message.partition())
                continue
            heard = time.monotonic()
            if message.key() is not None:
                key = message.key().decode(errors="replace")
                if message.value() is None:
                    keys.discard(key)
                else:
                    keys.add(key)
    return keys
