"""What the brokers say of topics: that they are there, their partitions, and which topic it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from . import config

logger = logging.getLogger("kck_publish")

# Seconds that a question may take.
PATIENCE = 10.0


class Cluster:
    """Asks the brokers; one client for as long as it is kept."""

    def __init__(self) -> None:
        self._admin: Any = None
        self._tells_ids = True

    def partitions(self, topics: list[str]) -> dict[str, list[int]]:
        """The partitions of those of these topics that are there.

        Raises:
            confluent_kafka.KafkaException: no broker answers.
        """
        known = self._client().list_topics(timeout=PATIENCE).topics
        return {
            name: sorted(known[name].partitions)
            for name in topics
            if name in known and known[name].error is None
        }

    def names(self) -> list[str]:
        """The names of all topics."""
        return sorted(self._client().list_topics(timeout=PATIENCE).topics)

    def id_of(self, topic: str) -> str:
        """What tells a topic from a later one of its name; "" when the broker does not say."""
        if not self._tells_ids:
            return ""
        kafka = config.module()
        collection = kafka.TopicCollection([topic])
        try:
            asked = self._client().describe_topics(collection, request_timeout=2.0)
            return str(asked[topic].result(PATIENCE).topic_id)
        except kafka.KafkaException as error:
            if error.args[0].name() in ("_UNSUPPORTED_FEATURE", "UNSUPPORTED_VERSION"):
                self._tells_ids = False
            return ""
        except TimeoutError:
            self._tells_ids = False  # librdkafka's mock cluster is one that does not know
            return ""

    def make(
        self, topic: str, partitions: int, replication: int, options: Mapping[str, str]
    ) -> None:
        """Make a topic where it is missing; another may do so at the same time."""
        admin = config.module("confluent_kafka.admin")
        wanted = admin.NewTopic(
            topic,
            num_partitions=partitions,
            replication_factor=replication,
            config=dict(options),
        )
        asked = self._client().create_topics([wanted], request_timeout=PATIENCE)
        with suppress(TimeoutError):
            try:
                asked[topic].result(PATIENCE)
            except config.module().KafkaException as error:
                if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                    logger.warning("Topic %s cannot be made: %s.", topic, error.args[0].name())

    def _client(self) -> Any:
        if self._admin is None:
            given = config.client("", error_cb=None)
            del given["error_cb"]
            self._admin = config.module("confluent_kafka.admin").AdminClient(given)
        return self._admin
