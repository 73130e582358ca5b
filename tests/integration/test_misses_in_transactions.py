"""Reads inside a user's transaction: they lock no entry's row, and harm no hook of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from kck_publish import Cache, IntegerParameter, Primer
from kck_publish.products import registry
from kck_publish.testing import travel
from tests.catalog.fixtures import Session, drain, settle, sql, stored

pytestmark = pytest.mark.django_db(transaction=True)
cache = Cache.get_instance()


@pytest.fixture(scope="module", autouse=True)
def products() -> Iterator[None]:
    class Soft(Primer):
        """Refreshed when it is read after a minute."""

        key = "soft"
        parameters = (IntegerParameter("n"),)
        soft_expire = timedelta(minutes=1)

        def compute(self, n: int) -> int:
            return n

    yield
    registry.unregister(Soft.key)


def write(n: int) -> None:
    """As the listener writes it."""
    sql("SET lock_timeout = '2s'")
    sql("UPDATE kck_publish_entry SET version = version WHERE key = %s", f"soft/{n}")


def test_a_read_past_its_soft_expiry_locks_no_row(transactional_db: None) -> None:
    """The listener can write a value that an open transaction has read (C2)."""
    cache.get("soft/1")
    settle()
    with travel(timedelta(minutes=2)):
        with transaction.atomic():
            assert cache.get("soft/1") == 1
            Session(lambda: write(1)).result()
            assert not cache.is_refreshing("soft/1")
        assert cache.is_refreshing("soft/1")
        drain()
        assert not cache.is_refreshing("soft/1")


def test_two_transactions_that_read_in_opposite_orders(transactional_db: None) -> None:
    """Two such reads do not wait for each other (C2)."""
    for n in (1, 2):
        cache.get(f"soft/{n}")
    settle()

    def reads(first: int, second: int, between: Callable[[], object]) -> None:
        with transaction.atomic():
            sql("SET LOCAL lock_timeout = '2s'")
            cache.get(f"soft/{first}")
            between()
            cache.get(f"soft/{second}")

    with travel(timedelta(minutes=2)):
        reads(1, 2, lambda: Session(lambda: reads(2, 1, lambda: None)).result())
        drain()


def test_a_rolled_back_reader_asks_for_nothing_and_the_next_one_does(
    transactional_db: None,
) -> None:
    """Nothing is lost with a reader's transaction (C2)."""
    cache.get("soft/1")
    settle()
    with travel(timedelta(minutes=2)):
        with transaction.atomic():
            cache.get("soft/1")
            transaction.set_rollback(True)
        assert not cache.is_refreshing("soft/1")
        cache.get("soft/1")
        assert cache.is_refreshing("soft/1")


def test_a_miss_whose_add_fails_harms_no_hook_of_the_users(
    transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The value is served, the commit holds, and the user's own hooks are run (C3)."""
    called: list[Any] = []
    try:
        with transaction.atomic():
            transaction.on_commit(lambda: called.append("before"))
            assert cache.get("soft/3") == 3
            transaction.on_commit(lambda: called.append("after"))
            transaction.on_commit(
                lambda: sql("ALTER TABLE kck_publish_entry RENAME TO entry_away"), robust=True
            )
            # The first of the hooks to come: what the miss has registered runs after it.
            connection.run_on_commit.insert(0, connection.run_on_commit.pop())
    finally:
        sql("ALTER TABLE entry_away RENAME TO kck_publish_entry")
    assert called == ["before", "after"]
    assert stored("soft/3") is None
    assert "cannot be stored" in caplog.text
