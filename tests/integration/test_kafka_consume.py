"""Consumers: the rows and the offset in one transaction; failures, retries, dead letters. On Tansu.

Each fault that the ancestor (django-kafka) has is named by its letter.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import signals

from kck_publish import Retry
from kck_publish.contrib.kafka import registry, relay_status
from kck_publish.contrib.kafka.consume import Consume
from kck_publish.contrib.kafka.exactly_once import Handling
from kck_publish.contrib.kafka.message import Message
from kck_publish.contrib.kafka.offsets import Moved, Where
from kck_publish.contrib.kafka.origin_site import site
from kck_publish.exceptions import Behind, NotPrimed
from kck_publish.status import status
from kck_publish.testing import travel
from tests.catalog.fixtures import Session, another_session, sql
from tests.kafka_app.kafka import Orders, Prices, TheirTotals, VersionedPrices, failing
from tests.kafka_app.models import Flight, Price
from tests.kafka_broker import Broker, mock_cluster, produce

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]


@pytest.fixture(autouse=True)
def nothing_fails_any_more() -> Iterator[None]:
    """What a test has made consumers fail at is forgotten after it."""
    yield
    failing.clear()


@contextmanager
def consuming(*names: str) -> Iterator[Consume]:
    consume = Consume(registry.chosen(registry.consumers, names))
    session = Session(consume.run)
    try:
        yield consume
    finally:
        consume.stop()
        session.join(30)


def message(key: str, **value: Any) -> tuple[bytes, bytes]:
    return key.encode(), json.dumps(value).encode()


def orders(*numbers: Any) -> list[tuple[bytes, bytes]]:
    return [message("k", number=number) for number in numbers]


def numbers() -> list[str]:
    return list(Flight.objects.order_by("id").values_list("number", flat=True))


def place(topic: str) -> int:
    rows = sql("SELECT sum(next) FROM kck_publish_kafka_offset WHERE topic = %s", topic)
    return int(rows[0][0] or 0)


def failures() -> list[tuple[Any, ...]]:
    return sql("SELECT state, attempts, place FROM kck_publish_kafka_failure ORDER BY id")


def test_rows_follow_a_topic(broker: Broker, wait_until: Any) -> None:
    broker.produce(
        "prices",
        message("a", id=99, amount="1.50", name="ada", unknown=1),
        message("b", amount=2, day="2026-01-02"),
        message("a", amount="3.25", name="ada"),
        message("c", amount=1),
        message("c", __deleted=True),
        (b"d", None),
    )
    with consuming("Prices"):
        wait_until(lambda: place("prices") == 6)
    a, b = Price.objects.order_by("sku")
    assert (a.sku, a.amount, a.first_name) == ("a", Decimal("3.25"), "ADA")
    assert (b.sku, b.amount, b.day) == ("b", Decimal(2), date(2026, 1, 2))
    assert a.pk != 99


def test_a_batch_is_one_statement_and_saves_where_somebody_listens(
    broker: Broker, wait_until: Any, django_assert_num_queries: Any
) -> None:
    """The one statement leaves nothing out: a receiver of signals has each row saved."""
    handling = Handling(Prices())
    where = Where("shop", "prices", 0)
    sql("INSERT INTO kck_publish_kafka_offset (consumer, topic, partition, next) "
        "VALUES ('shop', 'prices', 0, 0)")  # fmt: skip

    def batch(first: int) -> list[Message]:
        return [
            Message("prices", 0, first + n, *message(str(n), amount=n), key_from=Prices.key_from,
                    value_from=Prices.value_from) for n in range(100)
        ]  # fmt: skip

    site()  # asked once a process
    # The transaction, the offset, what is superseded, the rows, and what may have blocked.
    with django_assert_num_queries(6):
        assert handling.handle(where, 0, batch(0)).next == 100
    assert Price.objects.count() == 100
    saved: list[str] = []

    def receiver(instance: Price, **_: Any) -> None:
        saved.append(instance.sku)

    signals.post_save.connect(receiver, Price)
    try:
        handling.handle(where, 100, batch(100))
    finally:
        signals.post_save.disconnect(receiver, Price)
    assert len(saved) == 100
    assert Price.objects.count() == 100


def test_of_two_that_handle_the_same_messages_one_commits(broker: Broker) -> None:
    """Exactly once: a process that was paused, and has lost its partition, changes nothing."""
    sql("INSERT INTO kck_publish_kafka_offset (consumer, topic, partition, next) "
        "VALUES ('shop', 'orders', 0, 0)")  # fmt: skip
    where, handling = Where("shop", "orders", 0), Handling(Orders())
    batch = [
        Message("orders", 0, n, b"k", json.dumps({"number": n}).encode(),
                value_from=Orders.value_from) for n in range(3)
    ]  # fmt: skip
    assert handling.handle(where, 0, batch).next == 3
    with pytest.raises(Moved):
        handling.handle(where, 0, batch)
    assert numbers() == ["0", "1", "2"]


def test_blocking_keeps_the_order_and_its_attempts_over_a_restart(
    broker: Broker, wait_until: Any, caplog: Any
) -> None:
    """Faults c and k: attempts are in a table; what blocks is read again from its own offset.

    Its partition waits; others go on.
    """
    broker.make("orders", 2)
    failing.add("2")
    broker.produce("orders", *orders("1", "2", "3"))
    with caplog.at_level(logging.WARNING, "kck_publish"), consuming("Orders"):
        wait_until(lambda: failures() == [("blocking", 1, 1)])
        other = next(n for n in range(100) if broker_partition(broker, str(n)))
        broker.produce("orders", message(str(other), number="other"))
        wait_until(lambda: "other" in numbers())
    assert numbers() == ["1", "other"]
    assert "poison" not in caplog.text  # no value in the log
    with travel(timedelta(minutes=3)), consuming("Orders"):
        wait_until(lambda: failures() == [("blocking", 2, 1)])
    failing.clear()
    with travel(timedelta(minutes=20)), consuming("Orders"):
        wait_until(lambda: numbers() == ["1", "other", "2", "3"])
    assert failures() == []


def broker_partition(broker: Broker, key: str) -> int:
    """1 where a key goes to another partition than "k"; found by writing to a topic beside."""
    broker.produce("probe2", (key.encode(), b"{}"), (b"k", b"{}"))
    found = {one.key(): one.partition() for one in broker.read("probe2")}
    return int(found[key.encode()] != found[b"k"] and _same_of_two(key))


def _same_of_two(key: str) -> bool:
    """librdkafka's partitioner, CRC32 of the key: whether it is the other one of two."""
    import zlib

    return zlib.crc32(key.encode()) % 2 != zlib.crc32(b"k") % 2


def test_after_the_last_try_a_dead_letter_and_the_topic_goes_on(
    broker: Broker, wait_until: Any
) -> None:
    failing.add("bad")
    broker.make("orders", 1)
    broker.produce("orders", *orders("1", "bad", "missing", "2"))
    for minutes, attempts in ((0, 1), (5, 2)):
        with travel(timedelta(minutes=minutes)), consuming("Orders"):
            wait_until(lambda n=attempts: failures() == [("blocking", n, 1)])
    with travel(timedelta(minutes=30)), consuming("Orders"):
        wait_until(lambda: numbers() == ["1", "2"])
        letters = wait_until(lambda: len(got := broker.read("shop.orders.dlt")) == 2 and got)
    assert failures() == [("dead", 3, 1), ("dead", 1, 2)]
    letters.sort(key=lambda one: dict(one.headers())["from-offset"])
    told = dict(letters[0].headers())
    assert told["error"] == b"builtins.ValueError"
    assert told["from-topic"] == b"orders"
    assert told["from-offset"] == b"1"
    assert b"Traceback" in told["traceback"]
    assert letters[0].value() == orders("bad")[0][1]
    assert any("2 dead letters of group shop, topic orders" in one for one in status().problems)


def test_dead_letters_are_shown_retried_and_discarded(
    broker: Broker, wait_until: Any, capsys: Any
) -> None:
    broker.make("orders", 1)
    broker.produce("orders", *orders("missing", "1"))
    with consuming("Orders"):
        wait_until(lambda: numbers() == ["1"])
    call_command("kck_dead_letters", "list", "--json")
    (letter,) = json.loads(capsys.readouterr().out)
    assert (letter["key"], letter["product"]) == ("kafka:shop:orders/0/0", "kafka:shop:orders")
    assert letter["error"] == "builtins.KeyError"
    assert "Traceback" in letter["traceback"]
    call_command("kck_dead_letters", "retry", letter["key"])
    with consuming("Orders"):
        wait_until(lambda: failures() == [("dead", 1, 0)])
    call_command("kck_dead_letters", "discard", "--all")
    assert failures() == []
    with pytest.raises(CommandError, match="No dead letter"):
        call_command("kck_dead_letters", "retry", letter["key"])


def test_without_blocking_the_others_go_on(broker: Broker, wait_until: Any) -> None:
    """Retry topics are told, with when it is due; the retry itself comes from the table."""
    failing.add("2")
    broker.produce("loose_orders", *orders("1", "2", "3"))
    with consuming("LooseOrders"):
        wait_until(lambda: numbers() == ["1", "3"])
        shown = wait_until(lambda: broker.read("shop.loose_orders.retry.1"))
    assert dict(shown[0].headers())["attempts"] == b"1"
    assert b"due" in [name.encode() for name, _ in shown[0].headers()]
    assert failures() == [("retrying", 1, 1)]
    failing.clear()
    with travel(timedelta(minutes=3)), consuming("LooseOrders"):
        wait_until(lambda: numbers() == ["1", "3", "2"])
    assert failures() == []


def test_an_old_retried_message_overwrites_nothing_newer(broker: Broker, wait_until: Any) -> None:
    """Fault f: the later message of the key was applied meanwhile; also of a dead letter."""
    broker.make("versioned_prices", 1)
    broker.produce(
        "versioned_prices",
        message("a", amount="no number", version=1),
        message("b", amount="no number", version=1),
        message("a", amount=2, version=2),
    )
    with consuming("VersionedPrices"):
        wait_until(lambda: place("versioned_prices") == 3)
    assert sorted(failures()) == [("dead", 1, 0), ("dead", 1, 1)]
    call_command("kck_dead_letters", "retry", "--all")
    with consuming("VersionedPrices"):
        wait_until(lambda: failures() == [("dead", 1, 1)])
    assert Price.objects.get().amount == 2


def test_the_version_guard(broker: Broker, wait_until: Any) -> None:
    """By a field: an older message changes nothing, and a deleted row does not come back."""
    assert VersionedPrices.version_field == "version"
    broker.produce(
        "versioned_prices",
        message("a", amount=5, version=5),
        message("b", amount=1, version=1),
        message("c", amount=9, version=9),
    )
    with consuming("VersionedPrices"):
        wait_until(lambda: place("versioned_prices") == 3)
        broker.produce(
            "versioned_prices",
            message("a", amount=4, version=4),
            message("b", amount=2, version=2),
            message("c", __deleted=True, version=10),
            message("b", __deleted=True, version=1),
        )
        wait_until(lambda: place("versioned_prices") == 7)
        broker.produce("versioned_prices", message("c", amount=8, version=8))
        wait_until(lambda: place("versioned_prices") == 8)
    assert list(Price.objects.order_by("sku").values_list("sku", "version")) == [
        ("a", 5),
        ("b", 2),
    ]


def test_debezium_rows(broker: Broker, wait_until: Any) -> None:
    flat = {"id": 1, "sku": "a", "amount": "1.5", "day": 20_000, "__deleted": "false"}
    whole = {"before": None, "after": {"id": 2, "sku": "b"}, "op": "c", "source": {}}
    broker.produce(
        "debezium_prices",
        (b'{"id": 1}', json.dumps(flat).encode()),
        (b'{"id": 2}', json.dumps(whole).encode()),
        (b'{"id": 3}', json.dumps({"id": 3, "sku": "c"}).encode()),
        (b'{"id": 3}', json.dumps({"id": 3, "__deleted": "true"}).encode()),
        (b'{"id": 3}', None),
    )
    with consuming("DebeziumPrices"):
        wait_until(lambda: place("debezium_prices") == 5)
    assert list(Price.objects.order_by("id").values_list("id", "sku", "day")) == [
        (1, "a", date(2024, 10, 4)),
        (2, "b", None),
    ]


def test_a_dead_letter_that_cannot_be_written_loses_nothing_and_stops_nothing(
    broker: Broker, wait_until: Any
) -> None:
    """Fault d: the ancestor's consumer ends when its dead letter cannot be written."""
    broker.produce("orders", *orders("1", "missing", "2"))
    from kck_publish.contrib.kafka.failed_topics import Telling

    where = Where("shop", "orders", 0)
    sql("INSERT INTO kck_publish_kafka_offset (consumer, topic, partition, next) "
        "VALUES ('shop', 'orders', 0, 0)")  # fmt: skip
    batch = [
        Message("orders", 0, n, *one, value_from=Orders.value_from)
        for n, one in enumerate(orders("1", "missing", "2"))
    ]
    broker.kill()
    assert Handling(Orders()).handle(where, 0, batch).next == 3
    telling = Telling()
    assert telling.tell("shop") == 0
    assert failures() == [("dead", 1, 1)]
    assert numbers() == ["1", "2"]
    broker.start()
    wait_until(lambda: telling.tell("shop") == 1)
    assert len(broker.read("shop.orders.dlt")) == 1
    assert telling.tell("shop") == 0


def test_a_dead_letter_that_is_too_large_is_named_and_holds_up_no_other(
    broker: Broker, settings: Any, caplog: Any
) -> None:
    from kck_publish.contrib.kafka.failed_topics import Telling

    sql("INSERT INTO kck_publish_kafka_offset (consumer, topic, partition, next) "
        "VALUES ('shop', 'orders', 0, 0)")  # fmt: skip
    large = [message("k", number="missing", remark="x" * 5000)] * 2
    batch = [
        Message("orders", 0, n, *one, value_from=Orders.value_from)
        for n, one in enumerate([*large, *orders("missing")])
    ]
    assert Handling(Orders()).handle(Where("shop", "orders", 0), 0, batch).next == 3
    sql("UPDATE kck_publish_kafka_failure SET traceback = ''")
    kafka = {**broker.settings, "message.max.bytes": 4000}
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "KAFKA": kafka}
    telling = Telling()
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.ERROR, "kck_publish"):
        patch.setattr(f"{Telling.__module__}.LIMIT", 2)
        assert [telling.tell("shop") for _ in range(3)] == [0, 1, 0]
    lines = [one for one in caplog.messages if "cannot be shown (MSG_SIZE_TOO_LARGE)" in one]
    assert len(lines) == 2  # and not once more with each round
    assert any("(MSG_SIZE_TOO_LARGE): they are kept" in one for one in status().problems)
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "KAFKA": broker.settings}
    telling = Telling()
    with travel(timedelta(seconds=7)):
        assert telling.tell("shop") == 2
    assert len(broker.read("shop.orders.dlt")) == 3
    assert not any("they are kept" in one for one in status().problems)


def test_a_topic_made_anew_is_read_from_its_beginning(broker: Broker, wait_until: Any) -> None:
    """A broker that has lost its topics (memory, SIGKILL): its id tells."""
    with consuming("Prices"):
        broker.produce("prices", message("a", amount=1), message("b", amount=1))
        wait_until(lambda: Price.objects.count() == 2)
        broker.kill()
        broker.start()
        broker.produce("prices", message("c", amount=1))
        wait_until(lambda: Price.objects.count() == 3)


@pytest.mark.long
def test_an_offset_that_is_not_there_any_more(settings: Any, wait_until: Any) -> None:
    """On librdkafka's mock cluster, which says so; Tansu waits for ever."""
    sql("INSERT INTO kck_publish_kafka_offset (consumer, topic, partition, next) "
        "SELECT 'shop', 'prices', n, 1000 FROM generate_series(0, 3) AS n")  # fmt: skip
    with mock_cluster() as address:
        settings.KCK_PUBLISH = {"KAFKA": {"bootstrap.servers": address}}
        produce(address, "prices", message("a", amount=1))
        with consuming("Prices"):
            wait_until(lambda: Price.objects.count() == 1)


def test_a_topic_that_comes_later_is_waited_for(
    broker: Broker, wait_until: Any, caplog: Any
) -> None:
    with caplog.at_level(logging.WARNING, "kck_publish"), consuming("Prices"):
        wait_until(lambda: "Topic prices is not there" in caplog.text)
        broker.produce("prices", message("a", amount=1))
        wait_until(lambda: Price.objects.count() == 1)
    assert caplog.text.count("Topic prices is not there") == 1


def test_partitions_are_shared_and_taken_over(broker: Broker, wait_until: Any) -> None:
    broker.make("orders", 4)
    with consuming("Orders") as first:
        wait_until(lambda: first.workers[0].owned == 4)
        with consuming("Orders") as second:
            wait_until(lambda: (first.workers[0].owned, second.workers[0].owned) == (2, 2))
            broker.produce("orders", *[message(str(n), number=n) for n in range(200)])
            wait_until(lambda: Flight.objects.count() == 200)
        wait_until(lambda: first.workers[0].owned == 4)
    assert sorted(map(int, numbers())) == list(range(200))


def test_a_topic_product_is_read_as_any_product(
    broker: Broker, wait_until: Any, settings: Any
) -> None:
    def product(group: int, total: int | None, read_at: str) -> tuple[Any, ...]:
        told = [("read-at", read_at.encode()), ("site", b"there")]
        value = None if total is None else json.dumps({"amount": total}).encode()
        return f"item_total/{group}".encode(), value, told

    broker.make("their_totals", 1)
    with pytest.raises(NotPrimed):
        TheirTotals.cached.get(group=1)
    with consuming("TheirTotals") as consume:
        broker.produce("their_totals", product(1, 10, "1/90:100:91"), product(2, 20, "1/90:100:91"))
        wait_until(lambda: place("their_totals") == 2)
        assert TheirTotals.cached.get(group=1) == {"amount": 10}
        assert TheirTotals.cached.get_many([{"group": 2}, {"group": 3}]) == [{"amount": 20}, None]
        # A relay that was paused sends what is older, a removal too; it is left out.
        late = product(1, 9, "1/90:99:"), product(1, None, "1/99:102:99,101")
        broker.produce("their_totals", product(1, 11, "1/99:102:99"), *late)
        wait_until(lambda: place("their_totals") == 5)
        assert TheirTotals.cached.get(group=1) == {"amount": 11}
        # Promoted, a server gives the numbers of lost transactions again.
        broker.produce("their_totals", (b"item_total/2", None), product(1, 12, "2/95:95:"))
        broker.produce("their_totals", product(1, 11, "1/103:103:"))
        wait_until(lambda: place("their_totals") == 8)
        assert TheirTotals.cached.get(group=1) == {"amount": 12}
        with pytest.raises(NotPrimed):
            TheirTotals.cached.get(group=2)
        assert consume.workers[0].owned == 1
    with travel(timedelta(minutes=5)), pytest.raises(Behind):
        TheirTotals.cached.get(group=1)


def test_lag_and_dead_letters_are_in_the_status(broker: Broker, wait_until: Any) -> None:
    """Fault o."""
    broker.produce("orders", *orders("1", "missing"))
    with consuming("Orders"):
        wait_until(lambda: place("orders") == 2)
        wait_until(lambda: status().kafka["partitions"])
    found = status().kafka
    (partition,) = [one for one in found["partitions"] if one["next"]]
    assert (partition["group"], partition["topic"], partition["lag"]) == ("shop", "orders", 0)
    shown = {"not_shown": 0, "error": ""}
    assert found["failures"] == [
        {"group": "shop", "topic": "orders", "state": "dead", "number": 1, **shown}
    ]
    assert not status().healthy


def test_what_blocks_from_the_first_message_on_is_late(broker: Broker, wait_until: Any) -> None:
    failing.add("1")
    broker.make("orders", 1)
    broker.produce("orders", *orders("1", "2"))
    with consuming("Orders"):
        wait_until(lambda: failures() == [("blocking", 1, 0)])
        with connection.cursor() as cursor:
            wait_until(lambda: relay_status.lag(cursor, "shop", "orders") > timedelta(0))
        wait_until(lambda: status().kafka["partitions"][0]["lag_seconds"] > 0)


def test_a_topic_named_like_a_retry_topic_is_a_topic() -> None:
    """Fault m: names are never parsed."""
    from kck_publish.contrib.kafka.failed_topics import dead_letter_topic, retry_topic

    assert retry_topic("g", "topic.retry.3", 1) == "g.topic.retry.3.retry.1"
    assert dead_letter_topic("g", "x.dlt") == "g.x.dlt.dlt"


def test_a_retry_is_read_when_it_is_used(monkeypatch: Any, settings: Any) -> None:
    """Fault h: the ancestor reads its settings once, when it is imported."""
    monkeypatch.setattr(Prices, "retry", None)
    assert Prices.policy().max_retries == 0
    settings.KCK_PUBLISH = {"RETRY": {"max_retries": 7}}
    assert Prices.policy().max_retries == 7
    monkeypatch.setattr(Prices, "retry", Retry(max_retries=-1))
    assert Prices.policy().max_retries == -1


def test_a_row_that_another_session_inserts_meanwhile_is_updated(wait_until: Any) -> None:
    """Fault j: ``get().delete()`` and ``update_or_create`` race; here the row is locked."""

    def receiver(instance: Price, **_: Any) -> None:
        """With it each row is saved alone."""

    sql("INSERT INTO kck_publish_kafka_offset (consumer, topic, partition, next) "
        "VALUES ('shop', 'prices', 0, 0)")  # fmt: skip
    batch = [
        Message("prices", 0, 0, *message("a", amount=2), key_from=Prices.key_from,
                value_from=Prices.value_from)
    ]  # fmt: skip
    insert = "INSERT INTO kafka_app_price (sku, amount, first_name, version) VALUES "
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    signals.post_save.connect(receiver, Price)
    try:
        with another_session(autocommit=False) as other:
            other.execute(insert + "('a', 1, '', 0)")
            handling = Handling(Prices())
            session = Session(lambda: handling.handle(Where("shop", "prices", 0), 0, batch))
            wait_until(lambda: sql(waits) != [(0,)])
            other.commit()
            session.join(20)
    finally:
        signals.post_save.disconnect(receiver, Price)
    assert Price.objects.get().amount == 2


def test_the_doctor_names_topics_that_are_not_there(broker: Broker, settings: Any) -> None:
    from kck_publish.contrib.kafka.doctor import kafka

    missing = {problem.message for problem in kafka("default") if problem.id == "W113"}
    assert "The brokers have no topic prices." in missing
    broker.make("prices")
    assert "The brokers have no topic prices." not in {one.message for one in kafka("default")}
    settings.KCK_PUBLISH = {}
    assert list(kafka("default")) == []
