"""Assignment, one step at a time: who counts, who is ended, what is let go of. See ``sharing``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from kck_publish.following.process import UnlistedError
from kck_publish.listener.assignment import Assignment
from kck_publish.listener.shard import OwnedShard
from kck_publish.postgres import connect
from tests.catalog.fixtures import sql

pytestmark = pytest.mark.django_db(transaction=True)


class Member:
    """A listener as the others see it: its row, its connection, its shards."""

    def __init__(self, most: int | None = None) -> None:
        self.desk = connect("default")
        self.owned: dict[int, OwnedShard] = {}
        self.sharing = Assignment(self.desk, self.owned, most)
        self.pid = self.desk.info.backend_pid
        row = self.desk.execute(
            "INSERT INTO kck_publish_listener (name, backend) VALUES ('x', %s) RETURNING id",
            [self.pid],
        ).fetchone()
        assert row is not None
        self.id: int = row[0]

    def close(self) -> None:
        self.desk.close()


@pytest.fixture
def members(transactional_db: None, settings: Any) -> Iterator[list[Member]]:
    settings.KCK_PUBLISH = {"SHARDS": 4, "SILENCE": 5}
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Member())) for _ in range(2)]


def rows() -> list[int]:
    return [one for (one,) in sql("SELECT id FROM kck_publish_listener ORDER BY id")]


def test_the_dead_are_buried_and_the_living_are_not(members: list[Member], wait_until: Any) -> None:
    first, second = members
    first.sharing.bury()
    assert rows() == [first.id, second.id]
    second.close()
    gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    wait_until(lambda: sql(gone, second.pid) == [(0,)])
    first.sharing.beat(first.id, 0)
    assert rows() == [first.id]


def test_a_backend_that_got_a_dead_ones_number_does_not_keep_it_alive(
    members: list[Member],
) -> None:
    first, second = members
    sql("UPDATE kck_publish_listener SET started_at = '2000-01-01' WHERE id = %s", second.id)
    first.sharing.bury()
    assert rows() == [first.id]


def test_the_silent_are_ended_and_those_who_speak_are_not(
    members: list[Member], wait_until: Any
) -> None:
    first, second = members
    first.sharing.beat(first.id, 0)
    assert second.desk.execute("SELECT 1").fetchone() == (1,)
    sql("UPDATE kck_publish_listener SET seen_at = now() - interval '6 seconds'")
    first.sharing.beat(first.id, 0)
    gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    wait_until(lambda: sql(gone, second.pid) == [(0,)])
    assert first.desk.execute("SELECT 1").fetchone() == (1,)


def test_a_part_of_the_shards_is_let_go_of_once_there_is_another(members: list[Member]) -> None:
    first, second = members
    sql("DELETE FROM kck_publish_listener WHERE id = %s", second.id)
    first.sharing.balance()
    assert sorted(first.owned) == [0, 1, 2, 3]
    before = sql("SELECT epoch FROM kck_publish_shard ORDER BY shard")
    sql("INSERT INTO kck_publish_listener (name, backend) VALUES ('x', %s)", second.pid)
    second.sharing.balance()
    assert second.owned == {}, "what is owned is not taken"
    first.sharing.balance()
    assert sorted(first.owned) == [0, 1]
    second.sharing.balance()
    assert sorted(second.owned) == [2, 3]
    after = sql("SELECT epoch FROM kck_publish_shard ORDER BY shard")
    assert [new - old for (old,), (new,) in zip(before, after, strict=True)] == [0, 0, 1, 1]


def test_a_session_of_another_role_is_judged_by_its_signs_of_life(members: list[Member]) -> None:
    """When it began is shown to its own role alone, and to those that may see it (C10)."""
    first, other = members
    sql("DROP ROLE IF EXISTS kck_other")
    sql("CREATE ROLE kck_other")
    sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO kck_other")
    try:
        other.desk.execute("SET ROLE kck_other")
        assert other.desk.execute(
            "SELECT backend_start FROM pg_stat_activity WHERE pid = %s", [first.pid]
        ).fetchone() == (None,)
        other.sharing.bury()
        assert rows() == [first.id, other.id]
        sql(
            "UPDATE kck_publish_listener SET seen_at = seen_at - interval '1 hour' WHERE id = %s",
            first.id,
        )
        other.sharing.beat(other.id, 0)
        assert rows() == [other.id], "else it would be rung for, and counted, for ever"
    finally:
        other.desk.execute("RESET ROLE")
        sql("DROP OWNED BY kck_other")
        sql("DROP ROLE kck_other")


def test_a_listener_without_its_row_is_told(members: list[Member]) -> None:
    first, _ = members
    sql("DELETE FROM kck_publish_listener")
    with pytest.raises(UnlistedError):
        first.sharing.beat(first.id, 0)
