"""What the doctor asks of Kafka: that the brokers answer, and have the topics that are declared."""

from __future__ import annotations

from collections.abc import Iterator

from ...conf import settings
from ...diagnosis.registry import Asks, Problem, diagnosis
from ...exceptions import ConfigurationError
from . import config, registry
from .cluster import Cluster


@diagnosis("kafka", Asks.RUNNING)
def kafka(alias: str) -> Iterator[Problem]:
    """The brokers, and the topics of the relay and of the consumers."""
    filled = [one.topic for one in registry.topics.values() if one.partitions is None]
    read = [one.topic for one in registry.consumers.values() if not one.topic.startswith("^")]
    wanted = sorted({*filled, *read})
    if settings.KAFKA is None or not (registry.topics or registry.consumers):
        return
    try:
        client = config.module()
        known = Cluster().partitions(wanted)
    except ConfigurationError as error:
        yield Problem("W111", "Topics are declared, and cannot be reached.", str(error))
        return
    except client.KafkaException as error:
        name = error.args[0].name()
        yield Problem("W112", f"No broker answers ({name}).", 'See "bootstrap.servers" of KAFKA.')
        return
    for topic in wanted:
        if topic not in known:
            cure = "Make it, or have the relay make it: set partitions on its ProductTopic."
            yield Problem("W113", f"The brokers have no topic {topic}.", cure)
