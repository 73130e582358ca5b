"""The relay: acknowledged before the cursor moves, in order per key, and nothing lost. On Tansu."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from kck_publish import Cache, origin
from kck_publish.contrib.kafka import product_entries, registry, suppress, unsuppress
from kck_publish.contrib.kafka.outgoing import Outgoing
from kck_publish.contrib.kafka.relay import Relay
from kck_publish.contrib.kafka.sender import Sender
from kck_publish.status import status
from tests.catalog.fixtures import Session, drain, sql
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.kafka_app.models import Flight
from tests.kafka_broker import Broker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]


@contextmanager
def relaying(*topics: str) -> Iterator[Relay]:
    """The relay runs in a thread, and has begun with its topics."""
    relay = Relay(registry.chosen(registry.topics, topics))
    session = Session(relay.run)
    try:
        yield relay
    finally:
        relay.stop()
        session.join(30)


def following(*topics: str) -> bool:
    names = {f"kafka:{topic}" for topic in topics}
    return names <= {one["name"] for one in status().consumers}


def state(topic: str) -> tuple[Any, ...]:
    return sql(
        "SELECT sent, suppressed, failed, error FROM kck_publish_kafka_relay WHERE topic = %s",
        topic,
    )[0]


def values(messages: list[Any]) -> list[Any]:
    return [None if one.value() is None else json.loads(one.value()) for one in messages]


def headers(message: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers()}


def test_changes_are_sent_in_order_with_what_they_are(broker: Broker, wait_until: Any) -> None:
    with relaying("flights"):
        wait_until(lambda: following("flights"))
        flight = Flight.objects.create(number="LH1", remark="not sent")
        Flight.objects.update(delay=5)
        Flight.objects.update(remark="no column of the topic")
        with transaction.atomic():
            Flight.objects.update(delay=7)
            transaction.set_rollback(True)
        pk = flight.pk
        Flight.objects.all().delete()
        messages = wait_until(lambda: len(got := broker.read("flights")) >= 3 and got)
    assert [one["op"] for one in values(messages)] == ["insert", "update", "delete"]
    assert {one.key() for one in messages} == {str(pk).encode()}
    first, second, last = values(messages)
    assert first["new"] == {"id": pk, "number": "LH1", "delay": 0}
    assert (second["old"]["delay"], second["new"]["delay"]) == (0, 5)
    assert last["new"] is None
    assert first["xid"]
    assert first["at"]
    told = [headers(one) for one in messages]
    assert sorted(told, key=lambda one: int(one["version"])) == told
    assert len({one["id"] for one in told}) == 3
    assert {"version", "stamp", "fingerprint", "traceparent"} <= set(told[0])
    assert state("flights") == (3, 0, 0, "")


def test_the_other_envelopes(broker: Broker, wait_until: Any) -> None:
    topics = ["flight_events", "flight_rows"]
    with relaying(*topics):
        wait_until(lambda: following(*topics))
        flight = Flight.objects.create(number="LH1")
        flight.delete()
        events = wait_until(lambda: len(got := broker.read("flight_events")) >= 2 and got)
        rows = wait_until(lambda: len(got := broker.read("flight_rows")) >= 3 and got)
    event = values(events)[0]
    assert event["specversion"] == "1.0"
    assert event["type"] == "kck_publish.kafka_app.flight.insert"
    assert event["data"]["new"]["number"] == "LH1"
    created, deleted, tombstone = values(rows)
    assert (created["op"], created["before"], created["after"]["number"]) == ("c", None, "LH1")
    assert (deleted["op"], deleted["after"], tombstone) == ("d", None, None)
    assert set(json.loads(rows[0].key())) == {"id"}


def test_a_changed_key_ends_the_old_and_begins_the_new(broker: Broker, wait_until: Any) -> None:
    flight = Flight.objects.create(number="LH1")
    with relaying("flights"):
        wait_until(lambda: following("flights"))
        Flight.objects.update(id=flight.pk + 1000)
        messages = wait_until(lambda: len(got := broker.read("flights")) >= 2 and got)
    ops = {one.key(): one["op"] if False else json.loads(one.value())["op"] for one in messages}
    assert ops == {
        str(flight.pk).encode(): "delete",
        str(flight.pk + 1000).encode(): "insert",
    }


def test_a_new_topic_is_filled_from_the_store_and_kept_true(
    broker: Broker, wait_until: Any
) -> None:
    for group in range(5):
        Item.objects.create(name=f"i{group}", group=group, amount=group)
        ItemTotal.cached.get(group=group)
    with relaying("totals"):
        wait_until(lambda: len(broker.read("totals")) >= 5)
        Item.objects.filter(group=3).update(amount=33)
        drain()
        newest = wait_until(
            lambda: next(
                (one for one in broker.read("totals")[::-1] if b"33" in one.value()), None
            ),
            20,
        )
        assert newest.key() == b"item_total/3"
        entry = sql("SELECT version, stamp::text FROM kck_publish_entry WHERE key='item_total/3'")
        told = headers(newest)
        assert (told["version"], told["stamp"]) == (str(entry[0][0]), entry[0][1])
        Cache.get_instance().unset("item_total/2")
        gone = wait_until(
            lambda: [one.key() for one in broker.read("totals") if one.value() is None], 20
        )
    assert gone == [b"item_total/2"]


def test_each_removal_of_a_key_is_another_message(broker: Broker, wait_until: Any) -> None:
    """So no consumer that drops what it knows by its id keeps a value that is gone."""

    def removals() -> list[bool]:
        return [one.value() is None for one in broker.read("totals")]

    Item.objects.create(name="i", group=1, amount=1)
    with relaying("totals"):
        wait_until(lambda: following("totals"))
        for number in (1, 2):
            ItemTotal.cached.get(group=1)
            wait_until(lambda: removals()[-1:] == [False])
            Cache.get_instance().unset("item_total/1")
            wait_until(lambda number=number: sum(removals()) == number)
    told = [headers(one) for one in broker.read("totals")]
    gone = [one for one in told if "version" not in one]
    assert len({one["id"] for one in gone}) == 2
    assert gone[0]["id"].startswith(f"{gone[0]['site']}/item_total/1/gone/")
    moments = [product_entries._moment(one["read-at"]) for one in told]
    assert moments == sorted(moments)


def test_what_is_removed_while_the_log_was_not_kept_is_told(
    broker: Broker, wait_until: Any
) -> None:
    """Forgotten, it fills the topic anew, and ends what the topic holds and the store has not."""
    for group in range(2):
        Item.objects.create(name=f"i{group}", group=group)
        ItemTotal.cached.get(group=group)
    with relaying("totals"):
        wait_until(lambda: len(broker.read("totals")) == 2)
    call_command("kck_forget", "kafka:totals")
    Cache.get_instance().unset("item_total/0")
    with relaying("totals"):
        messages = wait_until(lambda: len(got := broker.read("totals")) >= 4 and got)
    last = {one.key(): one.value() for one in messages}
    assert last[b"item_total/0"] is None
    assert last[b"item_total/1"] is not None


def test_a_broker_that_is_away_loses_nothing_and_is_named(
    broker: Broker, wait_until: Any, caplog: Any
) -> None:
    with relaying("flights"):
        wait_until(lambda: following("flights"))
        Flight.objects.create(number="1")
        wait_until(lambda: len(broker.read("flights")) == 1)
        broker.freeze()
        with caplog.at_level(logging.WARNING, "kck_publish"):
            for number in range(2, 6):
                Flight.objects.create(number=str(number))
            wait_until(lambda: state("flights")[2] >= 1)
        error = state("flights")[3]
        assert error.startswith("_")
        assert f"Topic flights cannot be written ({error})" in caplog.text
        broker.thaw()
        wait_until(lambda: state("flights")[3] == "")
        numbers = [one["new"]["number"] for one in values(broker.read("flights"))]
    assert set(numbers) == {"1", "2", "3", "4", "5"}


def test_a_broker_that_has_lost_its_topic_is_given_the_products_again(
    broker: Broker, wait_until: Any
) -> None:
    """SIGKILL of a broker in memory: the topic is made anew, with another id."""
    Item.objects.create(name="i", group=1, amount=1)
    ItemTotal.cached.get(group=1)
    with relaying("totals"):
        wait_until(lambda: len(broker.read("totals")) == 1)
        broker.kill()
        broker.start()
        messages = wait_until(lambda: broker.read("totals"))
    assert messages[0].key() == b"item_total/1"


def test_a_message_too_large_is_kept_and_holds_up_no_other_key(
    broker: Broker, wait_until: Any, settings: Any, caplog: Any
) -> None:
    kafka = {**broker.settings, "message.max.bytes": 2000}
    small = settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "KAFKA": kafka}
    with relaying("flight_rows"):
        wait_until(lambda: following("flight_rows"))
        with transaction.atomic():
            large = Flight.objects.create(number="large", remark="x" * 5000)
            Flight.objects.create(number="small")
            Flight.objects.filter(pk=large.pk).update(remark="", delay=9)
        wait_until(lambda: state("flight_rows")[2] >= 1)
        messages = wait_until(lambda: broker.read("flight_rows"))
        assert [one["after"]["number"] for one in values(messages)] == ["small"]
        kept = sql("SELECT error FROM kck_publish_kafka_unsent ORDER BY id")
        assert kept == [("MSG_SIZE_TOO_LARGE",), ("AFTER_A_REFUSED_ONE",)]
        assert "xxx" not in caplog.text
    assert any("2 messages are refused by the broker" in one for one in status().problems)
    settings.KCK_PUBLISH = {**small, "KAFKA": broker.settings}
    sql("UPDATE kck_publish_kafka_unsent SET due_at = now()")
    with relaying("flight_rows"):
        wait_until(lambda: sql("SELECT count(*) FROM kck_publish_kafka_unsent") == [(0,)])
    mine = [one for one in broker.read("flight_rows") if b"large" in one.value()]
    assert [one["after"]["delay"] for one in values(mine)] == [0, 9]


def test_pages_are_sent_while_the_ones_before_wait_and_keep_the_order(
    broker: Broker, wait_until: Any, settings: Any
) -> None:
    """A message that the client refuses holds up its key in the pages that are under way, too."""
    with relaying("flight_rows"):
        wait_until(lambda: following("flight_rows"))
    kafka = {**broker.settings, "message.max.bytes": 2000}
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "MAX_BATCH": 3, "KAFKA": kafka}
    with transaction.atomic():
        large = Flight.objects.create(number="0", remark="x" * 5000)
        small = Flight.objects.create(number="0")
        for number in range(1, 12):
            Flight.objects.filter(pk=large.pk).update(remark="", delay=number)
            Flight.objects.filter(pk=small.pk).update(delay=number)
    with relaying("flight_rows"):
        wait_until(lambda: state("flight_rows")[0] == 12)
        kept = sql("SELECT error FROM kck_publish_kafka_unsent ORDER BY id")
    assert kept == [("MSG_SIZE_TOO_LARGE",)] + [("AFTER_A_REFUSED_ONE",)] * 11
    sent = [one["after"] for one in values(broker.read("flight_rows"))]
    assert [(one["id"], one["delay"]) for one in sent] == [(small.pk, n) for n in range(12)]


def test_batches_under_way_are_one_sequence_for_a_failure(broker: Broker, wait_until: Any) -> None:
    """What follows one that failed is sent again after it, though it is of a later batch."""
    failures: list[str] = []
    sender = Sender("flights", lambda: False, time.sleep, failures.append)
    broker.make("flights", 1)
    messages = [Outgoing(b"k", b"%d" % number, {}) for number in range(6)]
    try:
        assert sender.finish(sender.begin(messages[:1])) == []
        broker.freeze()
        first, second = sender.begin(messages[1:3]), sender.begin(messages[3:])
        running = Session(lambda: (sender.finish(first), sender.finish(second)))
        wait_until(lambda: failures)
        broker.thaw()
        assert running.result() == ([], [])
    finally:
        sender.close()
    assert failures == [failures[0], ""]
    told = [int(one.value()) for one in broker.read("flights")]
    last = {number: place for place, number in enumerate(told)}
    assert sorted(last, key=lambda number: last[number]) == [0, 1, 2, 3, 4, 5]


def test_origins_and_suppressed_changes_are_not_sent_and_counted(
    broker: Broker, wait_until: Any
) -> None:
    @suppress
    def never() -> None:
        Flight.objects.create(number="all")

    @suppress(["flights"])
    def not_to_flights() -> None:
        Flight.objects.create(number="named")
        with origin("import"):
            Flight.objects.create(number="nested")
        with unsuppress():
            Flight.objects.create(number="sent")

    with relaying("flights", "flight_events"):
        wait_until(lambda: following("flights", "flight_events"))
        never()
        not_to_flights()
        with origin("kafka:prices"):
            Flight.objects.create(number="consumed")
        wait_until(lambda: state("flights")[0] + state("flights")[1] >= 5)
        wait_until(lambda: sum(state("flight_events")[:2]) >= 5)
    assert [one["new"]["number"] for one in values(broker.read("flights"))] == ["sent"]
    assert state("flights")[:2] == (1, 4)
    events = [one["data"]["new"]["number"] for one in values(broker.read("flight_events"))]
    assert sorted(events) == ["named", "nested", "sent"]


def test_suppress_is_obeyed_where_it_is_called() -> None:
    """Fault a of the ancestor: its decorator kept what held where the function was decorated."""
    from kck_publish.capture.local_settings import current

    with suppress(["outer"]):

        @suppress(["inner"])
        def within() -> Any:
            return current.get().untold

    assert within() == {"inner"}
    with suppress(["other"]):
        assert within() == {"other", "inner"}
        unsuppress()
        assert current.get().untold == set()
    assert current.get().untold == set()
    for wrong in ("topic", b"topic", [1], 5):
        with pytest.raises(ValueError, match="suppress takes a list"):
            suppress(wrong)  # type: ignore[arg-type]


def test_topics_are_shared_and_taken_over(broker: Broker, wait_until: Any) -> None:
    topics = ["flights", "flight_events", "flight_rows", "totals"]

    def filled(relay: Relay) -> int:
        return len(relay._running)

    with relaying(*topics) as first:
        wait_until(lambda: filled(first) == 4)
        with relaying(*topics) as second:
            wait_until(lambda: (filled(first), filled(second)) == (2, 2))
        wait_until(lambda: filled(first) == 4)


def test_without_the_extra_the_commands_say_so(settings: Any, monkeypatch: Any) -> None:
    settings.KCK_PUBLISH = {"KAFKA": {"bootstrap.servers": "127.0.0.1:1"}}
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    for command in ("kck_relay", "kck_consume"):
        with pytest.raises(CommandError, match="Install the extra"):
            call_command(command)


def test_what_cannot_work_is_named(settings: Any) -> None:
    settings.KCK_PUBLISH = {}
    with pytest.raises(CommandError, match=r"KCK_PUBLISH\[\"KAFKA\"\] is not set"):
        call_command("kck_relay")
    with pytest.raises(CommandError, match="flihgts: nothing is declared under this name"):
        call_command("kck_relay", "flihgts")
    settings.KCK_PUBLISH = {"KAFKA": {"sasl.password": "secret"}}
    with pytest.raises(CommandError, match="names no brokers") as error:
        call_command("kck_relay")
    assert "secret" not in str(error.value)


def test_a_transaction_of_kafka_a_batch(broker: Broker, wait_until: Any, settings: Any) -> None:
    """Commits only: what Tansu does not know is that an aborted transaction is none."""
    producer = {**broker.settings["producer"], "transactional.id": "shop"}
    kafka = {**broker.settings, "producer": producer}
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "KAFKA": kafka}
    with relaying("flights"):
        wait_until(lambda: following("flights"))
        for number in range(3):
            Flight.objects.create(number=str(number))
        wait_until(lambda: state("flights")[0] == 3)
    assert len(broker.read("flights")) == 3
