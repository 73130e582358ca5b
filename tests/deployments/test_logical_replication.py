"""Sources that a subscription writes: each change is captured once, whoever makes it (B6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from example_app.embedded_postgres import EmbeddedPostgres
from kck_publish.capture import install
from kck_publish.diagnosis.registry import diagnose, errors
from kck_publish.products import registry
from kck_publish.status import status
from kck_publish.testing import assert_fresh
from tests.acceptance.test_listener_process import Process
from tests.capture_app.capturing import Log, capturing, source
from tests.capture_app.models import Reading
from tests.catalog.fixtures import sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.faults.conftest import VERSION, listening, migrate, moved_to  # noqa: F401 - fixtures

pytestmark = pytest.mark.long

SETTINGS = {"wal_level": "logical", "fsync": "off", "max_prepared_transactions": "4"}
ITEMS = (
    "CREATE TABLE catalog_item (id bigint PRIMARY KEY, name varchar(40), "
    '"group" integer, amount integer, box_id bigint)'
)
READINGS = (
    "CREATE TABLE {} (day int, id int, value int, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);"
    "CREATE TABLE {}1 PARTITION OF {} FOR VALUES FROM (0) TO (10);"
    "CREATE TABLE {}2 PARTITION OF {} FOR VALUES FROM (10) TO (20)"
).replace("{}", "capture_app_reading")
FORMS = (
    "SELECT DISTINCT tgrelid::regclass::text, tgtype & 1 FROM pg_trigger WHERE tgrelid = {} "
    "AND tgname ~ '^kck_publish_(insert|update|delete)_' ORDER BY 1"
)


@dataclass
class Pair:
    """Two servers: what the first commits, the second applies."""

    publisher: EmbeddedPostgres
    subscriber: EmbeddedPostgres

    def publish(self, *commands: str) -> None:
        """Run each in a transaction of its own there."""
        with psycopg.connect(self.publisher.dsn, autocommit=True) as there:
            for command in commands:
                there.execute(command)

    @contextmanager
    def subscribed(self, name: str, tables: str, options: str = "") -> Iterator[None]:
        """The subscriber follows, and has its copy, until the block ends."""
        self.publish(f"CREATE PUBLICATION {name} FOR TABLE {tables}")
        with psycopg.connect(self.subscriber.dsn, autocommit=True) as here:
            here.execute(
                f"CREATE SUBSCRIPTION {name} CONNECTION '{self.publisher.dsn}' "
                f"PUBLICATION {name} {options}"
            )
            try:
                yield
            finally:
                here.execute(f"DROP SUBSCRIPTION {name}")
                self.publish(f"DROP PUBLICATION {name}")


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    """Both, the second of them with our tables."""
    with (
        EmbeddedPostgres.start(VERSION, SETTINGS) as publisher,
        EmbeddedPostgres.start(VERSION, SETTINGS) as subscriber,
    ):
        migrate(subscriber)
        yield Pair(publisher, subscriber)


@pytest.fixture
def pair(servers: Pair, moved_to: Callable[..., None]) -> Iterator[Pair]:  # noqa: F811
    """Django's connection is to the subscriber."""
    moved_to(servers.subscriber)
    sql("DELETE FROM kck_publish_change")
    yield servers
    sql("TRUNCATE catalog_item CASCADE")
    install.install("default", registry.sources())
    servers.publish("DROP TABLE IF EXISTS catalog_item, capture_app_reading")


def total(count: int, amount: int) -> Callable[[], bool]:
    expected = {"count": count, "amount": amount}

    def is_stored() -> bool:
        text = (entry.body or b"").decode() if (entry := stored("item_total/1")) else ""
        return all(f'"{name}":{value}' in text for name, value in expected.items())

    return is_stored


def is_by_row() -> bool:
    """Whether the triggers are row triggers."""
    return bool(sql(FORMS.format("'catalog_item'::regclass")) == [("catalog_item", 1)])


def test_what_a_subscription_writes_is_captured(
    pair: Pair,
    listening: Callable[..., Process],  # noqa: F811
    wait_until: Callable[..., Any],
) -> None:
    """A listener finds the subscription, and augments by each change exactly once."""
    pair.publish(ITEMS, "INSERT INTO catalog_item VALUES (1, 'a', 1, 5), (2, 'b', 1, 6)")
    assert ItemTotal.cached.get(group=1) == {"count": 0, "amount": 0}
    listener = listening(pair.subscriber.dsn, POLL_INTERVAL=0.2).wait_ready()
    with pair.subscribed("items", "catalog_item"):
        wait_until(total(2, 11))
        wait_until(is_by_row)
        assert status().triggers == []
        pair.publish(
            "INSERT INTO catalog_item SELECT n, n, 1, 100 FROM generate_series(3, 5) AS n",
            "UPDATE catalog_item SET amount = amount + 1 WHERE id <= 3",
            "UPDATE catalog_item SET id = 40 WHERE id = 4",
            "DELETE FROM catalog_item WHERE id = 5",
            "BEGIN; UPDATE catalog_item SET amount = 9 WHERE id = 1; ROLLBACK",
        )
        wait_until(total(4, 6 + 7 + 101 + 100))
        # The subscriber's own writes are captured once, too.
        Item.objects.filter(pk=40).update(amount=1)
        Item.objects.create(pk=50, name="own", group=1, amount=1000)
        wait_until(total(5, 6 + 7 + 101 + 1 + 1000))
        assert_fresh("item_total", "catalog.item")
        pair.publish("DELETE FROM catalog_item")
        wait_until(total(1, 1000))
    assert listener.end() == 0, listener.lines
    assert "seat belt" not in "".join(listener.lines)
    install.install("default", registry.sources())
    assert not is_by_row()
    assert status().triggers == []


def test_what_is_applied_before_anybody_looks_is_named_and_then_announced(
    pair: Pair, wait_until: Callable[..., Any]
) -> None:
    pair.publish(ITEMS)
    ItemTotal.cached.get(group=1)
    with pair.subscribed("items", "catalog_item"):
        wait_until(lambda: sql("SELECT FROM pg_subscription_rel WHERE srsubstate = 'r'"))
        pair.publish("INSERT INTO catalog_item VALUES (1, 'a', 1, 5)")
        wait_until(lambda: Item.objects.exists())
        assert sql("SELECT FROM kck_publish_change WHERE source = 'catalog_item'") == []
        (*_, problem) = status().triggers
        assert "outdated (logical replication writes its table)" in problem
        assert "`manage.py migrate` does at once" in problem
        install.install("default", registry.sources())
        assert status().triggers == []
        assert sql("SELECT op FROM kck_publish_change WHERE source = 'catalog_item'") == [
            ("truncate",)
        ]
        sql("DELETE FROM kck_publish_change")
        install.install("default", registry.sources())
        assert sql("SELECT FROM kck_publish_change") == []


@pytest.mark.parametrize("root", ["true", "false"])
def test_partitions_that_a_subscription_writes(
    root: str, pair: Pair, wait_until: Callable[..., Any]
) -> None:
    """Through the table that they are of, or each under its own name."""
    pair.publish(READINGS)
    sql(READINGS)
    try:
        with capturing(source(Reading, "value")):
            names = "capture_app_reading WITH (publish_via_partition_root = " + root + ")"
            with pair.subscribed("readings", names, "WITH (copy_data = false)"):
                install.install("default", registry.sources())
                install.install("default", registry.sources(), only_missing=True)
                assert status().triggers == []
                Log.clear()
                pair.publish(
                    "INSERT INTO capture_app_reading VALUES (1, 1, 1), (11, 1, 1)",
                    "UPDATE capture_app_reading SET day = 12 WHERE day = 11",
                )
                wait_until(lambda: sql("SELECT FROM capture_app_reading2 WHERE day = 12"))
                assert Log.ops() == ["insert", "insert", "delete", "insert"]
                pair.publish("TRUNCATE capture_app_reading")
                wait_until(lambda: not sql("SELECT FROM capture_app_reading"))
                assert set(Log.ops()) == {"truncate"}
                sql("INSERT INTO capture_app_reading VALUES (1, 1, 1)")
                Log.clear()
                sql("UPDATE capture_app_reading SET value = 2 WHERE day = 1")
                sql("UPDATE capture_app_reading1 SET value = 3 WHERE day = 1")
                assert Log.ops() == ["update", "update"]
            install.install("default", registry.sources())
            Log.clear()
            sql("UPDATE capture_app_reading SET value = 4 WHERE day = 1")
            sql("UPDATE capture_app_reading1 SET value = 5 WHERE day = 1")
            assert Log.ops() == ["update", "update"]
    finally:
        sql("DROP TABLE capture_app_reading")


@pytest.mark.parametrize("change", ["ADD COLUMN more int", "DROP COLUMN amount"])
def test_columns_that_come_and_go_under_a_running_subscription(
    change: str, pair: Pair, wait_until: Callable[..., Any]
) -> None:
    """Outside of ``migrate``: the apply worker goes on, at the latest when somebody has looked."""
    pair.publish(ITEMS)
    ItemTotal.cached.get(group=1)
    sql("ALTER TABLE catalog_item ALTER COLUMN amount SET DEFAULT 0")
    with pair.subscribed("items", 'catalog_item (id, name, "group")'):
        install.install("default", registry.sources())
        pair.publish("INSERT INTO catalog_item VALUES (1, 'a', 1, 5)")
        wait_until(lambda: sql("SELECT FROM catalog_item WHERE id = 1"))
        sql(f"ALTER TABLE catalog_item {change}")
        sql("DELETE FROM kck_publish_change")
        try:
            pair.publish("UPDATE catalog_item SET name = 'b'")
            install.install("default", registry.sources(), only_missing=True)
            wait_until(lambda: sql("SELECT FROM catalog_item WHERE name = 'b'"))
            ops = {op for (op,) in sql("SELECT op FROM kck_publish_change")}
            assert ops == ({"update"} if "ADD" in change else {"truncate"})
        finally:
            back = "DROP COLUMN more" if "ADD" in change else "ADD COLUMN amount int DEFAULT 0"
            sql(f"ALTER TABLE catalog_item {back}")
            sql("ALTER TABLE catalog_item ALTER COLUMN amount DROP DEFAULT")
            install.install("default", registry.sources())


def test_a_subscription_that_prepares_transactions_is_warned_of(
    pair: Pair, wait_until: Callable[..., Any], settings: Any
) -> None:
    """It stops at a NOTIFY (C7), and goes on with what the check says."""
    pair.publish(ITEMS)
    listener = "INSERT INTO kck_publish_listener (name, asleep, backend) VALUES ('a', true, 0)"
    prepare = "BEGIN; INSERT INTO catalog_item VALUES (1, 'a', 1, 5); PREPARE TRANSACTION 'a'"
    is_prepared = "SELECT FROM pg_prepared_xacts WHERE database = current_database()"
    assert diagnose("replication", "default") == []
    sql(listener)
    try:
        with pair.subscribed("items", "catalog_item", "WITH (two_phase = true)"):
            wait_until(lambda: sql("SELECT FROM pg_subscription WHERE subtwophasestate = 'e'"))
            install.install("default", registry.sources())
            (problem,) = diagnose("replication", "default")
            assert (problem.id, "items prepares" in problem.message) == ("W031", True)
            pair.publish(prepare)
            wait_until(
                lambda: sql("SELECT FROM pg_stat_subscription_stats WHERE apply_error_count > 0"),
                30,
            )
            settings.KCK_PUBLISH = {"RING": False}
            assert diagnose("replication", "default") == []
            sql("UPDATE kck_publish_listener SET asleep = false")  # none of them sleeps then
            wait_until(lambda: sql(is_prepared))
            pair.publish("COMMIT PREPARED 'a'")
            wait_until(Item.objects.exists)
    finally:
        sql("DELETE FROM kck_publish_listener")


def test_a_subscription_that_writes_our_own_tables_is_an_error(pair: Pair) -> None:
    pair.publish("CREATE TABLE kck_publish_layout (source text PRIMARY KEY, layout jsonb)")
    with pair.subscribed("all_of_it", "kck_publish_layout", "WITH (copy_data = false)"):
        (problem,) = diagnose("replication", "default")
        assert problem.id == "E032"
        assert "all_of_it writes kck_publish_layout" in problem.message
        assert problem in errors("default")
    pair.publish("DROP TABLE kck_publish_layout")
    assert diagnose("replication", "default") == []
