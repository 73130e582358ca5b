"""What the tests relay and consume."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from kck_publish import IntegerParameter, Retry
from kck_publish.contrib.kafka import (
    ChangeTopic,
    DebeziumModelTopicConsumer,
    Message,
    ModelTopicConsumer,
    ProductTopic,
    TopicConsumer,
    TopicProduct,
)
from tests.kafka_app.models import Flight, Price, Reading, Seen, Synced


class Totals(ProductTopic):
    topic = "totals"
    products = ("item_total",)
    partitions = 3
    replication = 1


class Flights(ChangeTopic):
    topic = "flights"
    model = Flight
    columns = ("number", "delay")
    partitions = 3
    replication = 1


class FlightEvents(ChangeTopic):
    topic = "flight_events"
    model = Flight
    columns = ("number", "delay")
    envelope = "cloudevents"


class FlightRows(ChangeTopic):
    topic = "flight_rows"
    model = Flight
    envelope = "debezium"


class Prices(ModelTopicConsumer):
    """One row a price, as in api.md."""

    topic = "prices"
    group = "shop"
    model = Price
    retry = Retry(max_retries=3, delay=timedelta(minutes=2), include=(ValueError,))
    blocking = True
    exclude_fields = ("id",)
    version_field: ClassVar[str | Sequence[str] | None] = None

    def is_deletion(self, key: Any, value: Any) -> bool:
        return value is None or bool(value.get("__deleted"))

    def get_lookup_kwargs(self, key: Any, value: Any) -> dict[str, Any]:
        return {"sku": key}

    def transform_name(self, key: Any, value: Any) -> tuple[str, Any]:
        return "first_name", value["name"].upper()


class VersionedPrices(Prices):
    topic = "versioned_prices"
    version_field = "version"
    blocking = False


class Orders(TopicConsumer):
    """Counts in the database what it handles; fails when a message says so."""

    topic = "orders"
    group = "shop"
    retry = Retry(max_retries=2, delay=timedelta(minutes=2), exclude=(KeyError,))

    def consume(self, message: Message) -> None:
        fail_as_told(message)
        Flight.objects.create(number=str(message.value["number"]))


class LooseOrders(Orders):
    topic = "loose_orders"
    blocking = False


class DebeziumPrices(DebeziumModelTopicConsumer):
    topic = "debezium_prices"
    group = "shop"
    model = Price


class TheirTotals(TopicProduct):
    topic = "their_totals"
    key = "their_total"
    parameters = (IntegerParameter("group"),)
    when_behind = "raise"


class RemoteTotals(TopicProduct):
    """The products of another database, under a name of their own."""

    topic = "totals"
    key = "remote_total"
    parameters = (IntegerParameter("group"),)


class ReadingRows(ChangeTopic):
    topic = "reading_rows"
    model = Reading
    partitions = 1
    replication = 1


class Readings(ModelTopicConsumer):
    """By columns of which one may be NULL."""

    topic = "readings"
    group = "meter"
    model = Reading

    def get_lookup_kwargs(self, key: Any, value: Any) -> dict[str, Any]:
        return {"place": value["place"], "sensor": value["sensor"]}


class DebeziumReadings(DebeziumModelTopicConsumer):
    topic = "debezium_readings"
    group = "meter"
    model = Reading


class KeylessReadings(ModelTopicConsumer):
    """By the key, which no message has."""

    topic = "keyless_readings"
    group = "meter"
    model = Reading


class Mirror(ModelTopicConsumer):
    """The flights of another database."""

    topic = "flights"
    group = "mirror"
    model = Flight
    batch = 50


class Witness(TopicConsumer):
    """Writes down each message that it handles."""

    topic = "flights"
    group = "witness"
    batch = 50

    def consume(self, message: Message) -> None:
        Seen.objects.create(
            partition=message.partition,
            offset=message.offset,
            key=str(message.key),
            version=int(message.header("version") or 0),
            ident=message.header("id") or "",
        )


# Two databases that follow each other: each has a topic of its own, and consumes the other's.
SIDE = os.environ.get("KCK_TEST_SIDE", "here")
OTHER = "there" if SIDE == "here" else "here"


class SyncedHere(ChangeTopic):
    topic = f"synced_{SIDE}"
    model = Synced
    partitions = 3
    replication = 1


class SyncedThere(ModelTopicConsumer):
    topic = f"synced_{OTHER}"
    group = "sync"
    model = Synced
    version_field = ("version", "side")


failing: set[Any] = set()


def fail_as_told(message: Message) -> None:
    """Raise for what the tests say is poison."""
    if message.value["number"] in failing:
        raise ValueError(f"{message.value['number']} is poison")
    if message.value["number"] == "missing":
        raise KeyError("excluded")
