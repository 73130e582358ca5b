"""The log is kept short for whoever follows it; the dead are named, forgotten, and begin anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import override_settings

from kck_publish import Cache
from kck_publish.exceptions import Forgotten
from kck_publish.log import consumers
from kck_publish.log.trim import TRIMMED, Trimming
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import another_session, drain, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.integration.test_commands import run, status

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


@pytest.fixture
def item(transactional_db: None) -> Item:
    row = Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    drain()
    return row


def log() -> int:
    return int(sql("SELECT count(*) FROM kck_publish_change")[0][0])


def trim(trimming: Trimming) -> int:
    """Until there is nothing more."""
    total = 0
    with connection.cursor() as cursor:
        for _ in range(3):  # a new bound is taken when the last one is reached
            while some := trimming.trim(cursor):
                total += some
    return total


@contextmanager
def held(how: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that stays open, and pins what it can."""
    with another_session(autocommit=False) as session:
        if how == "reads":
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            session.execute("SELECT count(*) FROM kck_publish_change")
        else:
            session.execute("CREATE TABLE held_open ()")
        yield session
        session.rollback()


@contextmanager
def held_elsewhere() -> Iterator[None]:
    """A write transaction in another database of the cluster."""
    with another_session() as session:
        parameters: dict[str, Any] = session.info.get_parameters() | {"dbname": "postgres"}
        with psycopg.connect(**parameters) as other:
            other.execute("CREATE TEMP TABLE held_open ()")
            yield
            other.rollback()


def around(how: str) -> AbstractContextManager[object]:
    if how == "nothing":
        return nullcontext()
    return held_elsewhere() if how == "elsewhere" else held(how)


@pytest.mark.parametrize("how", ["nothing", "reads", "writes", "elsewhere"])
def test_what_is_handled_is_trimmed_whatever_is_open(item: Item, how: str) -> None:
    trimming = Trimming(0.0)
    trim(trimming)
    with around(how):
        for amount in range(20):
            sql("UPDATE catalog_item SET amount = %s", amount)
        drain()
        assert log() > 0
        trim(trimming)
        assert log() == 0
        sql("UPDATE catalog_item SET amount = 77")
        trim(trimming)
        assert log() == 1  # nobody has handled it


def test_a_late_commit_is_kept_until_it_is_handled_and_then_trimmed(item: Item) -> None:
    trimming = Trimming(0.0)
    trim(trimming)
    with another_session(autocommit=False) as late:
        late.execute("UPDATE catalog_item SET amount = 30")
        for number in range(5):
            sql('INSERT INTO catalog_item (name, "group", amount) VALUES (%s, 2, 1)', f"n{number}")
        drain()
        trim(trimming)
        assert log() == 0
        late.commit()
    assert trim(trimming) == 0
    assert log() == 1
    drain()
    assert stored("item_total/1").body == b'{"count":1,"amount":30}'  # type: ignore[union-attr]
    assert trim(trimming) == 1
    assert_fresh()


def test_more_than_one_portion(item: Item) -> None:
    with another_session() as session:
        session.execute(
            "INSERT INTO kck_publish_change (source, op, new) "
            "SELECT 'nothing', 'refreshed', ARRAY['nothing/1'] FROM generate_series(1, %s)",
            [TRIMMED * 2 + 10],
        )
    drain()
    assert trim(Trimming(0.0)) >= TRIMMED * 2 + 10
    assert log() == 0


def test_what_is_young_is_kept(item: Item) -> None:
    sql("UPDATE catalog_item SET amount = 1")
    drain()
    before = log()
    assert before > 0
    trimming = Trimming(3600.0)
    assert trim(trimming) == 0
    sql("UPDATE kck_publish_change SET at = at - interval '2 hours'")
    assert trim(Trimming(3600.0)) == before  # another listener, which finds it old


def test_a_consumer_holds_the_log_until_it_has_handled_it(item: Item) -> None:
    with another_session() as session, session.cursor() as cursor:
        near = consumers.register(cursor, "relay:host1", "relay")
        sql("UPDATE catalog_item SET amount = 1")
        drain()
        trim(Trimming(0.0))
        assert log() == 1
        assert [(one["name"], one["holds"]) for one in status()["consumers"]] == [
            ("relay:host1", 1)
        ]
        assert consumers.resume(cursor, near.name, near.id) == near
        cursor.execute("SELECT pg_current_snapshot()::text")
        (now,) = cursor.fetchone() or ("",)
        near = consumers.advance(cursor, near, now)
        assert near.done == now
        trim(Trimming(0.0))
        assert log() == 0


def test_a_dead_consumer_is_named_forgotten_and_notices(item: Item) -> None:
    with another_session() as session, session.cursor() as cursor:
        near = consumers.register(cursor, "relay:host1", "relay")
        sql("UPDATE catalog_item SET amount = 1")
        drain()
        sql("UPDATE kck_publish_consumer SET seen_at = seen_at - interval '1 hour'")
        found = status()
        (problem,) = found["problems"]
        assert problem.startswith("Consumer relay:host1 (relay) has given no sign for 36")
        assert "1 rows of the log" in problem
        assert "relay:host1" in run("kck_status")
        assert run("kck_forget", "relay:host1") == "1 forgotten\n"
        assert status()["healthy"]
        trim(Trimming(0.0))
        assert log() == 0
        with pytest.raises(Forgotten, match="relay:host1"):
            consumers.advance(cursor, near, near.done)
        with pytest.raises(Forgotten):
            consumers.resume(cursor, near.name, near.id)
        again = consumers.register(cursor, "relay:host1", "relay")
        assert again.id != near.id
        with pytest.raises(Forgotten):  # somebody else goes under the name now
            consumers.advance(cursor, near, near.done)
        twice = consumers.register(cursor, "relay:host1", "relay")
        assert twice.id != again.id
        with pytest.raises(ValueError, match="shard"):
            consumers.register(cursor, "shard:7", "relay")


def test_the_silent_are_forgotten_where_a_setting_says_so(item: Item) -> None:
    with connection.cursor() as cursor:
        consumers.register(cursor, "a", "relay")
        consumers.register(cursor, "b", "relay")
        sql("UPDATE kck_publish_consumer SET seen_at = seen_at - interval '1 hour' WHERE name='a'")
        assert consumers.forget_silent(cursor, 60) == ["a"]
        assert [one["name"] for one in consumers.consumers(cursor)] == ["b"]


def test_a_forgotten_shard_is_primed_anew(item: Item) -> None:
    """It has missed what was trimmed meanwhile, so nothing that is stored of it can be trusted."""
    cache.set("by/hand", 1)
    assert run("kck_forget", "shard:0") == "1 forgotten\n"
    sql("UPDATE catalog_item SET amount = 8")
    sql("DELETE FROM kck_publish_change")  # as trimming may, now that nobody holds it
    assert status()["shards"][0]["forgotten"]
    assert any("was forgotten" in one for one in status()["problems"])
    drain()
    assert stored("item_total/1") is None
    assert not status()["shards"][0]["forgotten"]
    assert ItemTotal.cached.get(group=1) == {"count": 1, "amount": 8}
    assert cache.get("by/hand") == 1  # nobody can make it again
    assert_fresh()


def test_what_is_owned_or_unknown_is_not_forgotten(item: Item) -> None:
    from django.core.management import CommandError

    with another_session() as session:
        session.execute(f"SELECT pg_advisory_lock({consumers.SHARD_LOCKS}, 0)")
        for name in ("shard:0", "shard:9", "shard:x", "nobody"):
            with pytest.raises(CommandError, match=name):
                run("kck_forget", name)


@override_settings(KCK_PUBLISH={"SHARDS": 2})
def test_when_the_number_of_shards_changes_a_forgotten_one_counts_for_all(item: Item) -> None:
    run("kck_forget", "shard:0")
    sql("UPDATE catalog_item SET amount = 8")
    sql("DELETE FROM kck_publish_change")
    drain()
    assert ItemTotal.cached.get(group=1) == {"count": 1, "amount": 8}
    assert_fresh()
