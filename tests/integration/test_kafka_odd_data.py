"""Data at the edges: what JSON cannot say, what finds no row, what is no product. On Tansu."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.template import engines

from kck_publish import Behind, Cache, IntegerParameter, InvalidPrimer, Retry
from kck_publish.contrib.kafka import TopicProduct, registry
from kck_publish.products import registry as products
from kck_publish.testing import travel
from tests.catalog.fixtures import sql
from tests.catalog.models import Item
from tests.integration.test_kafka_consume import consuming, failures, place
from tests.integration.test_kafka_relay import following, relaying, state, values
from tests.kafka_app.kafka import TheirTotals
from tests.kafka_app.models import Reading
from tests.kafka_broker import Broker

cache = Cache.get_instance()
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
LARGE = 123456789012345678901234567890


def errors() -> list[Any]:
    return [text for (text,) in sql("SELECT error FROM kck_publish_kafka_failure ORDER BY id")]


def test_a_null_finds_the_row_that_has_it(broker: Broker, wait_until: Any) -> None:
    broker.make("readings", 1)
    with consuming("Readings"):
        for number in (1, 2):
            told = {"sensor": "a", "place": None, "value": number}
            broker.produce("readings", (b"a", json.dumps(told).encode()))
            wait_until(lambda number=number: place("readings") == number)
    assert [reading.value for reading in Reading.objects.all()] == [2]


def test_a_message_that_names_no_row_is_a_dead_letter(broker: Broker, wait_until: Any) -> None:
    broker.make("keyless_readings", 1)
    told = [(None, json.dumps({"sensor": str(number)}).encode()) for number in range(3)]
    broker.produce("keyless_readings", *told)
    with consuming("KeylessReadings"):
        wait_until(lambda: place("keyless_readings") == 3)
    assert failures() == [("dead", 1, offset) for offset in range(3)]
    assert set(errors()) == {"builtins.ValueError"}


def change(**columns: Any) -> tuple[bytes, bytes]:
    """As Debezium tells of a row."""
    event = {"before": None, "after": {"id": 1, **columns}, "op": "u", "source": {}}
    return b'{"id": 1}', json.dumps(event).encode()


def test_debezium_tells_json_as_text_and_leaves_out_large_values(
    broker: Broker, wait_until: Any
) -> None:
    """What an update has not changed, and lies in a TOAST table, is a placeholder."""
    large = "__debezium_unavailable_value"
    broker.make("debezium_readings", 1)
    first = change(sensor="a", details='{"n": [1, "2"]}', raw="AAE=", took=1_500_000)
    packed = b64encode(large.encode()).decode()
    with consuming("DebeziumReadings"):
        for number, message in enumerate(
            [first, change(sensor=large, details=large, raw=packed, value=2.5)], start=1
        ):
            broker.produce("debezium_readings", message)
            wait_until(lambda number=number: place("debezium_readings") == number)
    assert failures() == []
    row = Reading.objects.get()
    assert (row.sensor, row.details, bytes(row.raw)) == ("a", {"n": [1, "2"]}, b"\x00\x01")
    assert (row.took, row.value) == (timedelta(seconds=1.5), 2.5)


def test_integers_past_64_bits_are_not_rounded(broker: Broker, wait_until: Any) -> None:
    broker.make("readings", 1)
    told = json.dumps({"sensor": "a", "place": "b", "count": LARGE, "details": {"n": LARGE}})
    broker.produce("readings", (b"a", told.encode()))
    with consuming("Readings"):
        wait_until(lambda: place("readings") == 1)
    reading = Reading.objects.get()
    assert (int(reading.count), reading.details) == (LARGE, {"n": LARGE})


def test_what_json_has_not_is_relayed_and_stops_no_topic(broker: Broker, wait_until: Any) -> None:
    with relaying("reading_rows"):
        wait_until(lambda: following("reading_rows"))
        for number in (math.nan, math.inf, -math.inf, 1.5):
            Reading.objects.create(value=number)
        Reading.objects.create(details={"n": LARGE})
        messages = wait_until(lambda: len(got := broker.read("reading_rows")) >= 5 and got)
    rows = [told["new"] for told in values(messages)]
    assert [row["value"] for row in rows] == ["NaN", "Infinity", "-Infinity", 1.5, 0.0]
    assert rows[-1]["details"] == {"n": LARGE}
    assert values(messages)[-1]["at"][10] == "T"
    assert state("reading_rows")[3] == ""


def test_what_is_no_value_replaces_none(broker: Broker, wait_until: Any) -> None:
    broker.make("their_totals", 1)
    broker.produce("their_totals", (b"item_total/1", b"1"), (b"item_total/1", b"no JSON"))
    with consuming("TheirTotals"):
        wait_until(lambda: place("their_totals") == 2)
        assert TheirTotals.cached.get(group=1) == 1
    assert failures() == [("dead", 1, 1)]


def test_a_topic_of_several_products_is_not_mixed_into_one(broker: Broker, wait_until: Any) -> None:
    broker.make("their_totals", 1)
    broker.produce("their_totals", (b"item_total/1", b"1"))
    with consuming("TheirTotals"):
        wait_until(lambda: place("their_totals") == 1)
    broker.produce("their_totals", (b"item_names/1", b"2"), (b"item_total/2", b"3"))
    with consuming("TheirTotals"):
        wait_until(lambda: place("their_totals") == 3)
        found = TheirTotals.cached.get_many([{"group": 1}, {"group": 2}])
    assert found == [1, 3]
    assert failures() == [("dead", 1, 1)]


READS: dict[str, Callable[[], Any]] = {
    "get": lambda: TheirTotals.cached.get(group=1),
    "get_many": lambda: TheirTotals.cached.get_many([{"group": 1}]),
    "aget": lambda: async_to_sync(TheirTotals.cached.aget)(group=1),
    "aget_bytes": lambda: async_to_sync(TheirTotals.cached.aget_bytes)(group=1),
    "aget_many": lambda: async_to_sync(TheirTotals.cached.aget_many)([{"group": 2}]),
    "Cache.get": lambda: cache.get("their_total/1"),
    "Cache.get_many": lambda: cache.get_many(["their_total/1"]),
    "template": lambda: (
        engines["django"]
        .from_string("{% load kck_publish %}{% product 'their_total' group=1 %}")
        .render({})
    ),
}


def test_however_it_is_read_it_is_known_to_be_behind(broker: Broker, wait_until: Any) -> None:
    broker.make("their_totals", 1)
    broker.produce("their_totals", (b"item_total/1", b"1"))
    with consuming("TheirTotals"):
        wait_until(lambda: place("their_totals") == 1)
        assert cache.get("their_total/1") == 1
    with travel(timedelta(minutes=5)):
        for read in READS.values():
            with pytest.raises(Behind):
                read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eager", True),
        ("depends_on", [Item]),
        ("refresh_every", timedelta(1)),
        ("soft_expire", timedelta(1)),
        ("hard_expire", timedelta(1)),
        ("prime_on_cache_miss", True),
        ("compute", lambda self, group: 1),
        ("augment", lambda self, value, change, group: value),
        ("domain", lambda self: []),
        ("post_prime", lambda self, value, group: value),
        ("product", ["item_total"]),
        ("retry", "often"),
    ],
)
def test_a_topic_product_takes_nothing_that_has_no_meaning(name: str, value: Any) -> None:
    namespace = {"key": "odd", "topic": "odd", "parameters": (IntegerParameter("group"),)}
    with pytest.raises(InvalidPrimer, match=name):
        type("Odd", (TopicProduct,), {**namespace, name: value})


def test_a_topic_product_is_retried_as_it_says() -> None:
    again = Retry(max_retries=2, delay=timedelta(minutes=1))
    namespace = {"key": "odd", "topic": "odd", "depends_on": [], "retry": again}
    try:
        odd: Any = type("Odd", (TopicProduct,), namespace)
        assert odd.consumer.policy() is again
    finally:
        products.unregister("odd")
        del registry.consumers["product:odd:odd"]
