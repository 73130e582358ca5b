"""A broker that is away, or was made anew, while messages of before wait in tables. On Tansu."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kck_publish.contrib.kafka import registry
from kck_publish.contrib.kafka.consume import Consume
from kck_publish.contrib.kafka.relay import Relay
from kck_publish.status import status
from tests.catalog.fixtures import Session, sql
from tests.kafka_app.kafka import Orders
from tests.kafka_app.models import Flight
from tests.kafka_broker import Broker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]


def test_the_relay_ends_while_what_was_refused_waits_for_the_broker(
    broker: Broker, wait_until: Any, settings: Any
) -> None:
    """SIGTERM must not wait for a broker that is away."""

    def refused() -> bool:
        return sql("SELECT count(*) FROM kck_publish_kafka_unsent") == [(1,)]

    all_settings = settings.KCK_PUBLISH
    kafka = {**broker.settings, "message.max.bytes": 2000}
    settings.KCK_PUBLISH = {**all_settings, "KAFKA": kafka}
    relay = Relay(registry.chosen(registry.topics, ["flight_rows"]))
    session = Session(relay.run)
    wait_until(lambda: "kafka:flight_rows" in {one["name"] for one in status().consumers}, 20)
    Flight.objects.create(number="large", remark="x" * 5000)
    wait_until(refused, 20)
    relay.stop()
    session.result()
    settings.KCK_PUBLISH = all_settings
    sql("UPDATE kck_publish_kafka_relay SET error = ''")
    sql("UPDATE kck_publish_kafka_unsent SET due_at = now()")
    broker.freeze()
    relay = Relay(registry.chosen(registry.topics, ["flight_rows"]))
    session = Session(relay.run)
    wait_until(lambda: sql("SELECT error FROM kck_publish_kafka_relay") != [("",)], 40)
    relay.stop()
    session.result(20)
    assert refused()


def test_a_pattern_does_not_take_the_topics_of_its_own_failures(
    broker: Broker, wait_until: Any
) -> None:
    before = dict(registry.consumers)

    class Every(Orders):
        topic = "^shop[.].*"

    worker = (consume := Consume([Every])).workers[0]
    session = Session(consume.run)
    try:
        broker.produce("shop.x", (b"k", b'{"number": "missing"}'))
        wait_until(lambda: broker.read("shop.shop.x.dlt"), 20)
        asked = worker._asked
        wait_until(lambda: worker._asked > asked + 3, 20)
        assert list(worker._topics) == ["shop.x"]
    finally:
        consume.stop()
        session.join(30)
        registry.consumers.clear()
        registry.consumers.update(before)


def test_failures_outlive_their_topic(broker: Broker, wait_until: Any) -> None:
    """Of a topic that was made anew: its messages have the places of those that were lost."""

    def dead() -> list[Any]:
        values = "SELECT convert_from(value, 'UTF8') FROM kck_publish_kafka_failure ORDER BY id"
        return [json.loads(value)["of"] for (value,) in sql(values)]

    broker.make("orders", 1)
    consume = Consume(registry.chosen(registry.consumers, ["Orders"]))
    session = Session(consume.run)
    try:
        broker.produce("orders", (b"k", b'{"number": "missing", "of": "former"}'))
        wait_until(lambda: dead() == ["former"], 20)
        broker.kill()
        broker.start()
        broker.make("orders", 1)
        broker.produce("orders", (b"k", b'{"number": "missing", "of": "new"}'))
        wait_until(lambda: dead() == ["former", "new"], 40)
    finally:
        consume.stop()
        session.join(30)
