"""django-kafka 0.5.13, as far as its code runs on today's client."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any


def producer(messages: int, value: Callable[[int], bytes]) -> Callable[[], float] | None:
    """Measures its producer, in messages a second; None where it cannot be imported."""
    try:
        from django_kafka import kafka
        from django_kafka.topic import TopicProducer
    except ImportError:
        return None

    class Theirs(TopicProducer):  # type: ignore[misc]
        name = "theirs"

    def run() -> float:
        topic = Theirs()
        topic.produce("warm", key="")
        kafka.producer.flush(60)
        begin = time.perf_counter()
        for number in range(messages):
            while True:
                try:
                    topic.produce(value(number).decode(), key=str(number))
                    break
                except BufferError:
                    kafka.producer.poll(0.1)
        kafka.producer.flush(60)
        return messages / (time.perf_counter() - begin)

    return run


def consumer() -> Callable[[Any], object] | None:
    """Handles one message as its consumer does; None where it cannot be imported."""
    try:
        from django_kafka.topic.model import ModelTopicConsumer
    except ImportError:
        return None
    from tests.kafka_app.models import Price

    class Theirs(ModelTopicConsumer):  # type: ignore[misc]
        name = "prices"
        model = Price

        def deserialize(self, data: Any, field: Any, headers: Any = None, **_: Any) -> Any:
            return data.decode() if field == "key" else json.loads(data)

        def is_deletion(self, model: Any, key: Any, value: Any) -> bool:
            return False

        def get_lookup_kwargs(self, model: Any, key: Any, value: Any) -> Any:
            return {"sku": key}

        def transform_name(self, model: Any, key: Any, value: Any) -> Any:
            return "first_name", value.upper()

    return Theirs().consume  # type: ignore[no-any-return]
