"""Keys that look like numbers, times that are numbers, and names that Kafka does not take."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

import pytest
from django.db import connection
from django.db.models import TimeField
from psycopg import sql

from kck_publish import InvalidPrimer
from kck_publish.contrib.kafka import (
    ChangeTopic,
    Connector,
    Message,
    ProductTopic,
    TopicConsumer,
    bulk,
    registry,
)
from kck_publish.contrib.kafka.deserializers import json_or_text
from kck_publish.contrib.kafka.failed_topics import dead_letter_topic, retry_topic, shown_in
from tests.catalog.models import Author, Book, Gadget
from tests.kafka_app.kafka import DebeziumPrices
from tests.kafka_app.models import Edited


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"1.10", "1.10"),
        (b"1e5", "1e5"),
        (b"123456789012345678901234", "123456789012345678901234"),
        (b"1.5", 1.5),
        (b"-7", -7),
        (b'"x"', "x"),
        (b"007", "007"),
    ],
)
def test_a_key_that_only_looks_like_a_number_is_text(key: bytes, expected: Any) -> None:
    assert json_or_text(Message("t", 0, 0, key, None), key) == expected


@pytest.mark.parametrize(("unit", "factor"), [("milliseconds", 1_000), ("microseconds", 1_000_000)])
def test_debeziums_times_before_1973(unit: str, factor: int) -> None:
    class Edits(DebeziumPrices):
        time_unit = unit

    consumer = Edits()
    at = consumer.to_python(Edited._meta.get_field("made_at"), 86_400 * 365 * factor)
    assert at == datetime(1971, 1, 1, tzinfo=UTC)
    assert consumer.to_python(TimeField(), 60 * factor) == time(0, 1)


def test_a_unit_of_debeziums_that_there_is_not() -> None:
    class Edits(DebeziumPrices):
        time_unit = "seconds"

    with pytest.raises(InvalidPrimer, match="time_unit is one of"):
        Edits.check()


def test_a_retry_that_is_none_is_refused_where_it_stands() -> None:
    """A message that fails would be the first to say so, and the consumer would stop."""
    with pytest.raises(InvalidPrimer, match="retry is a Retry, not 5"):
        type("Retried", (TopicConsumer,), {"topic": "retried", "group": "g", "retry": 5})
    assert "g:retried" not in registry.consumers


def test_a_column_that_there_is_not_is_refused_where_it_stands() -> None:
    declared = {"topic": "columns", "model": Edited, "columns": ["made_at", "nope"]}
    with pytest.raises(InvalidPrimer, match="has no column 'nope'"):
        type("Columns", (ChangeTopic,), declared)
    assert "columns" not in registry.topics


async def awaited(*args: Any) -> bool:
    """Nobody awaits it: what it is handed is lost, and what it answers is true."""
    return False


@pytest.mark.parametrize(
    ("kind", "declared", "says"),
    [
        (TopicConsumer, {"consume": awaited}, "consume must not be async"),
        (DebeziumPrices, {"is_deletion": awaited}, "is_deletion must not be async"),
        (DebeziumPrices, {"transform_amount": awaited}, "transform_amount must not be async"),
        (DebeziumPrices, {"exclude_fields": "old_price"}, "exclude_fields takes a list"),
        (TopicConsumer, {"batch": "5"}, "batch is a number"),
        (TopicConsumer, {"blocking": "no"}, "blocking is True or False"),
        (TopicConsumer, {"topic": "^("}, "topic is no regex"),
        (ChangeTopic, {"model": Edited, "forward": "flights"}, "forward takes a list"),
        (ChangeTopic, {"model": Edited, "ignore_origins": "a"}, "ignore_origins takes a list"),
        (ChangeTopic, {"model": Edited, "envelope": ["plain"]}, "envelope is one of"),
        (ProductTopic, {"products": [Edited]}, "products takes a list of products' names"),
        (ProductTopic, {"products": Edited}, "products takes a list of products' names"),
        (ProductTopic, {"products": ["a"], "partitions": "3"}, "partitions is a number"),
        (ProductTopic, {"products": ["a"], "partitions": 0}, "partitions is a number"),
        (ProductTopic, {"products": ["a"], "replication": 0}, "replication is a number"),
        (ProductTopic, {"products": ["a"], "config": "compact"}, "config takes a mapping"),
        (ProductTopic, {"products": ["a"], "topic": "a b"}, "topic takes the name"),
        (ChangeTopic, {"model": Edited, "forward": 5}, "forward takes a list"),
        (TopicConsumer, {"topic": "a/b"}, "topic takes the name"),
        (TopicConsumer, {"group": 5}, "group is a name"),
        (TopicConsumer, {"key_from": "json"}, "key_from is a deserializer"),
        (TopicConsumer, {"config": "x"}, "config takes a mapping"),
        (TopicConsumer, {}, "write consume"),
        (DebeziumPrices, {"exclude_fields": 5}, "exclude_fields takes a list"),
        (DebeziumPrices, {"version_field": ["version", "nope"]}, "has no field nope"),
        (DebeziumPrices, {"model": None}, "model takes a model"),
        (DebeziumPrices, {"model": None, "reroute_model_map": {"a": "b"}}, "has a model by table"),
        (Connector, {"config": {}, "name": 5}, "name is a text"),
        (Connector, {"config": {}, "mark_for_removal": "no"}, "mark_for_removal is True or False"),
    ],
)
def test_what_would_lose_messages_or_take_others_is_refused(
    kind: Any, declared: Any, says: str
) -> None:
    """A text in the place of a list is asked for its parts: "price" is in "old_price"."""
    with pytest.raises(InvalidPrimer, match=says):
        type("Wrong", (kind,), {"topic": "wrong", "group": "wrong"} | declared)
    assert "wrong" not in registry.topics
    assert not any(name.startswith("wrong:") for name in registry.consumers)
    assert not any(each.__name__ == "Wrong" for each in registry.connectors.values())


def test_a_row_is_given_by_the_column_that_is_pointed_to() -> None:
    """A transform may give an instance for a foreign key, also for one with ``to_field``."""
    author = Author(pk=7, slug="seven")
    consumer = DebeziumPrices()
    assert consumer.to_python(Gadget._meta.get_field("maker"), author) == "seven"
    assert consumer.to_python(Book._meta.get_field("author"), author) == 7


def test_topics_of_failures_have_names_that_kafka_takes() -> None:
    """The default group of a TopicProduct has a colon."""
    assert retry_topic("product:board", "boards", 2) == "product_board.boards.retry.2"
    assert dead_letter_topic("a b/ü", "x") == "a_b__.x.dlt"


def test_a_group_does_not_consume_what_shows_its_failures() -> None:
    """A pattern such as ``^shop[.]`` has the topics of the group shop among its own."""
    names = ["shop.a", "shop.shop.a.dlt", "shop.shop.a.retry.12", "shop.b.dlt", "shop.x.retry.1"]
    assert shown_in("shop", names) == {"shop.shop.a.dlt", "shop.shop.a.retry.12"}


def test_a_table_of_another_schema_is_written() -> None:
    """Django takes such a name as it is, where it begins and ends with a quote."""
    with_schema = '"stock"."price"'
    bulk_write = bulk._statement(connection.ops.quote_name(with_schema), ["id"], ["id"], [], [])
    query = bulk_write.format(rows=sql.SQL("(1)")).as_string(None)
    assert (
        query == 'INSERT INTO "stock"."price" AS t ("id") VALUES (1) ON CONFLICT ("id") DO NOTHING'
    )
