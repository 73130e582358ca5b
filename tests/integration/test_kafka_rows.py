"""Rows that messages write: what is newer stays, also where keys, times and places are odd."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Model, signals

from kck_publish import Retry
from kck_publish.clock import now
from kck_publish.contrib.kafka import Message, failures, registry
from kck_publish.contrib.kafka.consume import Consume
from kck_publish.contrib.kafka.exactly_once import Handling
from kck_publish.contrib.kafka.offsets import Moved, Where
from kck_publish.exceptions import ConfigurationError
from kck_publish.testing import travel
from tests.catalog.fixtures import Session, another_session, sql
from tests.kafka_app.kafka import Orders, Prices, failing
from tests.kafka_app.models import Edited, Flight, Price

pytestmark = pytest.mark.django_db(transaction=True)
PLAIN = [("envelope", b"plain"), ("version", b"1000"), ("site", b"elsewhere")]


class EditedRows(Prices):
    """The time of the last edit tells older from newer; Django sets it with each save."""

    version_field: ClassVar[str | Sequence[str] | None] = "edited_at"

    def get_model(self, key: Any, value: Any) -> type[Model]:
        return Edited

    def get_lookup_kwargs(self, key: Any, value: Any) -> dict[str, Any]:
        return {"pk": key}


class LoosePrices(Prices):
    """By the order of the partition alone."""

    blocking = False
    retry = Retry(max_retries=9, delay=timedelta(minutes=2), backoff=False)


class ByCustomer(Prices):
    """The key is another thing's, so that its messages are in one order."""

    version_field: ClassVar[str | Sequence[str] | None] = "number"
    blocking = False
    retry = Retry(max_retries=9, delay=timedelta(minutes=2), backoff=False)

    def get_lookup_kwargs(self, key: Any, value: Any) -> dict[str, Any]:
        return {"sku": value["sku"]}


class DeletedAtVersion(Prices):
    version_field: ClassVar[str | Sequence[str] | None] = "version"

    def is_deletion(self, key: Any, value: Any) -> bool:
        return value is None


@pytest.fixture(autouse=True)
def group(settings: Any) -> Any:
    settings.KCK_PUBLISH = {
        "KAFKA": {"bootstrap.servers": "127.0.0.1:1", "consumer": {"group.id": "shop"}}
    }
    sql("INSERT INTO kck_publish_kafka_offset (consumer, topic, partition, next) "
        "VALUES ('shop', 'prices', 0, 0)")  # fmt: skip
    yield
    failing.clear()


WHERE = Where("shop", "prices", 0)


def message(consumer: Any, offset: int, key: Any, headers: Any = (), /, **value: Any) -> Message:
    key = None if key is None else str(key).encode()
    body = json.dumps(value, default=str).encode()
    return Message(
        "prices", 0, offset, key, body, headers, key_from=consumer.key_from,
        value_from=consumer.value_from,
    )  # fmt: skip


def failed() -> list[tuple[Any, ...]]:
    return sql("SELECT state, attempts, place FROM kck_publish_kafka_failure ORDER BY id")


@pytest.mark.parametrize("saved", [False, True])
def test_a_time_that_django_sets_is_the_messages(saved: bool) -> None:
    """Else the time of the save is the version, and what was edited before it is left out."""

    def receiver(**_: Any) -> None:
        """With it each row is saved alone."""

    if saved:
        signals.post_save.connect(receiver, Edited)
    try:
        first, second = now() - timedelta(hours=2), now() - timedelta(hours=1)
        handling = Handling(EditedRows())
        for offset, (text, at) in enumerate((("a", first), ("b", second), ("old", first))):
            made = {"text": text, "made_at": first, "edited_at": at}
            handling.handle(WHERE, offset, [message(EditedRows, offset, 7, **made)])
    finally:
        signals.post_save.disconnect(receiver, Edited)
    row = Edited.objects.get()
    assert (row.text, row.edited_at, row.made_at) == ("b", second, first)


def test_a_later_message_whose_retry_comes_first_leaves_out_the_earlier_one() -> None:
    handling = Handling(LoosePrices())
    poison = {"amount": "no number", "name": ""}
    batch = [message(LoosePrices, offset, "a", **poison) for offset in (0, 1)]
    assert handling.handle(WHERE, 0, batch).next == 2
    for place, amount in ((0, 1), (1, 2)):  # as if the rule that refused them was lifted
        body = json.dumps({"amount": amount, "name": ""}).encode()
        sql("UPDATE kck_publish_kafka_failure SET value = %s WHERE place = %s", body, place)
    later = "UPDATE kck_publish_kafka_failure SET due_at = due_at + interval '1 hour' "
    sql(later + "WHERE place = 0")
    with travel(timedelta(minutes=5)):
        assert handling.retry_one("shop", ["prices"])
    assert Price.objects.get().amount == 2
    with travel(timedelta(hours=2)):
        assert handling.retry_one("shop", ["prices"])
    assert Price.objects.get().amount == 2
    assert failed() == []


def test_messages_without_a_key_do_not_leave_each_other_out() -> None:
    handling = Handling(ByCustomer())
    handling.handle(
        WHERE,
        0,
        [
            message(ByCustomer, 0, None, amount="it tells no row", name=""),
            message(ByCustomer, 1, None, sku="b", amount=2, name=""),
        ],
    )
    assert failed() == [("retrying", 1, 0)]
    assert sql("SELECT superseded FROM kck_publish_kafka_failure") == [(False,)]


def test_a_message_is_left_out_for_a_later_one_of_its_row_and_not_of_its_key() -> None:
    """Two rows under the key of their customer: nothing of the first one would ever be written."""
    handling = Handling(ByCustomer())
    first = message(ByCustomer, 0, "c1", sku="a", amount="no number", name="")
    second = message(ByCustomer, 1, "c1", sku="b", amount=2, name="")
    assert handling.handle(WHERE, 0, [first, second]).next == 2
    flag = "SELECT superseded FROM kck_publish_kafka_failure"
    assert sql(flag) == [(False,)]
    handling.handle(WHERE, 2, [message(ByCustomer, 2, "c2", sku="a", amount=3, name="")])
    assert sql(flag) == [(True,)]


def test_versions_are_of_rows_and_not_of_keys() -> None:
    """A header's version, of two rows under the key of their customer."""
    handling = Handling(ByCustomer())
    first = message(ByCustomer, 0, "c1", [("number", b"5")], sku="a", amount=1, name="")
    second = message(ByCustomer, 1, "c1", [("number", b"3")], sku="b", amount=1, name="")
    handling.handle(WHERE, 0, [first, second])
    older = message(ByCustomer, 2, "c2", [("number", b"4")], sku="a", amount=2, name="")
    handling.handle(WHERE, 2, [older])
    assert Price.objects.count() == 2
    assert set(Price.objects.values_list("amount", flat=True)) == {1}


def test_the_end_of_a_row_has_the_version_that_the_row_had() -> None:
    """Not the number of the log in the relay's header, nor none."""
    handling = Handling(DeletedAtVersion())

    def told(offset: int, op: str, old: Any, new: Any) -> Message:
        names = {"op": op, "key": "a", "old": old, "new": new}
        return message(DeletedAtVersion, offset, '"a"', PLAIN, **names)

    def row(version: int) -> dict[str, Any]:
        return {"sku": "a", "name": "", "version": version}

    handling.handle(WHERE, 0, [told(0, "insert", None, row(6))])
    handling.handle(WHERE, 1, [told(1, "delete", row(5), None)])
    assert Price.objects.get().version == 6  # changed here since
    handling.handle(WHERE, 2, [told(2, "delete", row(6), None)])
    assert not Price.objects.exists()
    handling.handle(WHERE, 3, [told(3, "insert", None, row(5))])
    assert not Price.objects.exists()
    handling.handle(WHERE, 4, [told(4, "insert", None, row(7))])
    assert Price.objects.get().version == 7


def test_failures_of_a_former_topic_are_no_messages_of_the_new_one() -> None:
    """A topic that was made anew has the same places again."""
    failing.add("bad")
    handling = Handling(Orders())
    assert handling.handle(WHERE, 0, [message(Orders, 0, "k", number="missing")]).next == 1
    with connection.cursor() as cursor:
        failures.set_aside(cursor, WHERE)
    sql("UPDATE kck_publish_kafka_offset SET next = 0")
    assert handling.handle(WHERE, 0, [message(Orders, 0, "k", number="bad")]).blocked_until
    assert [(state, attempts) for state, attempts, _ in failed()] == [("dead", 1), ("blocking", 1)]
    values = sql("SELECT convert_from(value, 'UTF8') FROM kck_publish_kafka_failure ORDER BY id")
    assert [json.loads(value) for (value,) in values] == [{"number": "missing"}, {"number": "bad"}]


def test_a_failed_batch_has_taken_nothing_out_of_its_values() -> None:
    """``pop`` is what the ancestor's guide shows; the messages are then handled one by one."""

    class Popping(Prices):
        def is_deletion(self, key: Any, value: Any) -> bool:
            return bool(value.pop("__deleted", False))

    Price.objects.create(sku="a")
    gone = message(Popping, 0, "a", __deleted=True, name="")
    poison = message(Popping, 1, "b", amount="no number", name="")
    assert Handling(Popping()).handle(WHERE, 0, [gone, poison]).blocked_until is None
    assert not Price.objects.exists()


def test_a_lock_of_others_is_no_fault_of_the_message() -> None:
    """It is handled again; without a retry it would be a dead letter at once."""

    class Contended(Prices):
        retry = Retry(max_retries=0)

    Price.objects.create(sku="a")
    handling = Handling(Contended())
    one = message(Contended, 0, "a", amount=1, name="")

    def handle() -> Any:
        sql("SET lock_timeout = '100ms'")
        return handling.handle(WHERE, 0, [one])

    with another_session(autocommit=False) as other:
        other.execute("UPDATE kafka_app_price SET amount = 3")
        session = Session(handle)
        with pytest.raises(OperationalError, match="lock timeout"):
            session.result()
    assert failed() == []
    assert sql("SELECT next FROM kck_publish_kafka_offset") == [(0,)]


def test_a_hook_of_the_commit_that_raises_is_no_failure_of_the_message() -> None:
    class Hooked(Orders):
        def consume(self, message: Message) -> None:
            super().consume(message)
            transaction.on_commit(lambda: 1 / 0)

    with pytest.raises(Moved):  # and the worker reads on from where the database says
        Handling(Hooked()).handle(WHERE, 0, [message(Hooked, 0, "k", number="1")])
    assert failed() == []
    assert Flight.objects.count() == 1


def test_where_a_failing_message_blocks_is_the_next_place() -> None:
    """Places may be left out: a topic that is compacted, or has transactions."""
    failing.add("bad")
    handled = Handling(Orders()).handle(WHERE, 0, [message(Orders, 5, "k", number="bad")])
    assert handled.next == 5
    assert sql("SELECT next FROM kck_publish_kafka_offset") == [(5,)]


def test_two_consumers_of_one_group_and_topic_are_refused() -> None:
    """Each would get some of the messages; one names its group, the other has the default."""
    before = dict(registry.consumers)
    try:

        class Default(Orders):
            topic, group = "named", ""

        class Named(Orders):
            topic, group = "named", "shop"

        with pytest.raises(ConfigurationError, match=r"Default and .*Named are of group 'shop'"):
            Consume([Named]).run()
        del registry.consumers[":named"]

        class Pattern(Orders):
            topic, group = "^nam.*", "shop"

        with pytest.raises(ConfigurationError, match="each message would go to one of them"):
            Consume([Named]).run()
    finally:
        registry.consumers.clear()
        registry.consumers.update(before)
