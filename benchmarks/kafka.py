"""Kafka: the relay and the consumers beside django-kafka and bare confluent-kafka, on one broker.

The relay is the command, in a process of its own: from the commit of many rows to the last of them
acknowledged. Of django-kafka 5 the import needs Temporal, so its 0.5.13 runs, on the same client:
its pins allow no installation beside, so it is found where KCK_BENCH_DJANGO_KAFKA names the
unpacked wheel.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks import kafka_hand_out, kafka_latency, kafka_peer
from benchmarks.figures import in_turn, ratio, table, target
from benchmarks.kafka_world import World, world

MESSAGES = int(os.environ.get("KCK_BENCH_MESSAGES", "20000"))
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "5"))


def main() -> None:
    """Measure and print."""
    with world() as made:
        load = os.getloadavg()[0]
        print(f"== Kafka: {MESSAGES:,} messages a round, load {load:.1f} at the beginning")
        _produce(made)
        _consume(made.broker)
        kafka_latency.measure(made)
        kafka_hand_out.measure(made)


def _value(number: int) -> bytes:
    return json.dumps({"sku": f"s{number}", "amount": str(number), "name": "ada"}).encode()


def _produce(made: World) -> None:
    messages: list[tuple[bytes, bytes, Any]] = []
    contestants: dict[str, Callable[[], float]] = {
        "bare confluent-kafka": lambda: _bare(made.broker),
        "bare, the relay's own messages": lambda: _bare(made.broker, messages),
        "kck_relay": lambda: _relayed(made),
    }
    if theirs := kafka_peer.producer(MESSAGES, _value):
        contestants["django-kafka 0.5.13"] = theirs
    with made.running(made.server.dbname, "kck_relay", "flights"):
        made.until(lambda: _state("flights")[1] == "following")
        _relayed(made)
        messages += [
            (one.key(), one.value(), one.headers())
            for one in made.broker.read("flights", 30)[:MESSAGES]
        ]
        figures = in_turn(contestants, ROUNDS)
    print("   Producing")
    table(figures, "messages/s", 1.0, *list(contestants)[:2])
    measured = ratio(figures["kck_relay"], figures["bare confluent-kafka"])
    target("relay, to bare produce", ">= 0.5", measured, "x", met=measured >= 0.5)


def _bare(broker: Any, messages: list[tuple[bytes, bytes, Any]] | None = None) -> float:
    """Of small messages that are made on the way, or of these, which are there."""
    from confluent_kafka import Producer

    producer = Producer(
        {"bootstrap.servers": broker.address, "enable.idempotence": True, "linger.ms": 5}
    )
    acknowledged = [0]

    def note(error: Any, message: Any) -> None:
        acknowledged[0] += error is None

    producer.produce("bare", b"", "", on_delivery=note)  # an idempotent one begins slowly
    producer.flush(60)
    acknowledged[0] = 0
    begin = time.perf_counter()
    if messages is None:
        for number in range(MESSAGES):
            producer.produce("bare", _value(number), str(number), on_delivery=note)
    else:
        for key, value, headers in messages:
            producer.produce("bare", value, key, headers=headers, on_delivery=note)
    producer.flush(60)
    assert acknowledged[0] == MESSAGES
    return MESSAGES / (time.perf_counter() - begin)


def _relayed(made: World) -> float:
    """From the commit of the rows to the last of them acknowledged."""
    from tests.kafka_app.models import Flight

    wanted = _state("flights")[0] + MESSAGES
    Flight.objects.bulk_create(Flight(number=str(n)[:10]) for n in range(MESSAGES))
    begin = time.perf_counter()
    made.until(lambda: _state("flights")[0] == wanted)
    return MESSAGES / (time.perf_counter() - begin)


def _state(topic: str) -> tuple[int, str]:
    """How many messages were acknowledged, and what the topic's follower does."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.sent, c.state FROM kck_publish_kafka_relay r JOIN kck_publish_consumer c "
            "ON c.name = 'kafka:' || r.topic WHERE r.topic = %s",
            [topic],
        )
        found: tuple[int, str] = cursor.fetchone() or (0, "")
        return found


def _consume(broker: Any) -> None:
    broker.make("prices", 1)
    broker.produce("prices", *[(f"s{n}".encode(), _value(n)) for n in range(MESSAGES)])
    contestants: dict[str, Callable[[], float]] = {
        "bare confluent-kafka": lambda: _polled(broker, lambda message: None),
        "kck_consume": _consumed,
    }
    if theirs := kafka_peer.consumer():
        contestants["django-kafka 0.5.13"] = lambda: _polled(broker, theirs)
    figures = in_turn(contestants, max(3, ROUNDS // 2))
    print("   Consuming into rows of a model, one row a message")
    table(figures, "messages/s", 1.0, "django-kafka 0.5.13", "bare confluent-kafka")
    if theirs:
        measured = ratio(figures["kck_consume"], figures["django-kafka 0.5.13"])
        target("consumer, to django-kafka", ">= 3", measured, "x", met=measured >= 3)


def _polled(broker: Any, handle: Callable[[Any], object]) -> float:
    from confluent_kafka import Consumer, TopicPartition

    settings = {"bootstrap.servers": broker.address, "group.id": "x", "fetch.wait.max.ms": 50}
    consumer = Consumer(settings)
    consumer.assign([TopicPartition("prices", 0, 0)])
    number, begin = 0, time.perf_counter()
    while number < MESSAGES:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            number += 1
            handle(message)
    took = time.perf_counter() - begin
    consumer.close()
    return MESSAGES / took


def _consumed() -> float:
    from django.db import connection

    from kck_publish.contrib.kafka.consume import Consume
    from tests.kafka_app.kafka import Prices

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM kck_publish_kafka_offset WHERE topic = 'prices'")
    consume = Consume([Prices])
    worker = consume.workers[0]
    handle, times = worker._handling.handle, [0.0, 0.0]
    done = threading.Event()

    def timed(where: Any, first: int, messages: Any) -> Any:
        times[0] = times[0] or time.perf_counter()
        handled = handle(where, first, messages)
        if handled.next >= MESSAGES:
            times[1] = time.perf_counter()
            done.set()
        return handled

    worker._handling.handle = timed  # type: ignore[method-assign]
    thread = threading.Thread(target=consume.run)
    thread.start()
    assert done.wait(120)
    consume.stop()
    thread.join()
    return MESSAGES / (times[1] - times[0])


if __name__ == "__main__":
    main()
