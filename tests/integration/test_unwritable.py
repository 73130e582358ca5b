"""A reader that may compute, and may not store: it is served, and the log says why, once (C4)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction

from example_app.embedded_postgres import EmbeddedPostgres
from kck_publish import Cache, IntegerParameter, Primer
from kck_publish.products import registry
from kck_publish.reading import unwritable
from kck_publish.testing import travel
from tests.catalog.fixtures import another_session, computes, drain, sql
from tests.catalog.models import Item, Publisher
from tests.catalog.primers import ItemTotal
from tests.faults.conftest import moved_to, restartable
from tests.faults.standby import standby_of

__all__ = ["moved_to", "restartable"]
cache = Cache.get_instance()
ROLE = "kck_reads_only"


@pytest.fixture(autouse=True)
def nothing_said() -> Iterator[None]:
    unwritable._said.clear()
    yield
    unwritable._said.clear()


@pytest.fixture(scope="module", autouse=True)
def soft() -> Iterator[None]:
    class Soft(Primer):
        """Refreshed when it is read after a minute."""

        key = "soft"
        parameters = (IntegerParameter("n"),)
        soft_expire = timedelta(minutes=1)

        def compute(self, n: int) -> int:
            return n

    yield
    registry.unregister(Soft.key)


@contextmanager
def read_only() -> Iterator[None]:
    """Each transaction of the session is, as where a role or the server says so."""
    sql("SET default_transaction_read_only = on")
    yield
    sql("SET default_transaction_read_only = off")


@contextmanager
def select_only() -> Iterator[None]:
    """A role for reports."""
    sql(f"DROP ROLE IF EXISTS {ROLE}")
    sql(f"CREATE ROLE {ROLE}")
    sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ROLE}")
    sql(f"SET ROLE {ROLE}")
    yield
    sql("RESET ROLE")
    sql(f"DROP OWNED BY {ROLE}")
    sql(f"DROP ROLE {ROLE}")


@contextmanager
def locked() -> Iterator[None]:
    """Somebody holds a lock, and we wait for none for ever."""
    sql("SET lock_timeout = '50ms'")
    with another_session(autocommit=False) as other:
        other.execute("LOCK TABLE kck_publish_entry IN SHARE MODE")
        yield
        other.rollback()
    sql("RESET lock_timeout")


WAYS = {"read-only": read_only, "select-only": select_only, "locked": locked}
SAID = {
    "read-only": "its sessions are read-only",
    "select-only": "its role may not write",
    "locked": "LockNotAvailable",
}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS)
def test_a_miss_is_computed_and_served(way: str, caplog: pytest.LogCaptureFixture) -> None:
    row = Item.objects.create(name="one", group=1, amount=5)
    publisher = Publisher.objects.create(name="Ace")
    with WAYS[way](), computes() as seen:
        for _ in range(2):
            assert ItemTotal.cached.get(group=1)["amount"] == 5
        both: Any = ItemTotal.cached.get_many([{"group": 1}, {"group": 2}])
        assert [each["amount"] for each in both] == [5, 0]
        assert Publisher.cached.get(pk=publisher.pk) == publisher
        with pytest.raises(Publisher.DoesNotExist):
            Publisher.cached.get(pk=0)
        with transaction.atomic():
            assert ItemTotal.cached.get(group=1)["amount"] == 5
        assert Item.cached.in_bulk([row.pk]) == {row.pk: row}
    assert seen.count("item_total") == 5
    (said,) = warnings(caplog)
    assert SAID[way] in said
    assert "migrate" not in said
    assert ItemTotal.cached.get(group=1)["amount"] == 5
    with computes() as seen:
        assert ItemTotal.cached.get(group=1)["amount"] == 5
    assert seen == [], "it is stored where it can be"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS)
def test_a_value_past_its_soft_expiry_is_served(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can be asked to refresh it from there."""
    cache.get("soft/1")
    drain()
    with travel(timedelta(minutes=2)), WAYS[way]():
        assert cache.get("soft/1") == 1
        with transaction.atomic():
            assert cache.get("soft/1") == 1
    (said,) = warnings(caplog)
    assert SAID[way] in said
    with travel(timedelta(minutes=2)):
        assert not cache.is_refreshing("soft/1")
        cache.get("soft/1")
        assert cache.is_refreshing("soft/1")
        drain()


@pytest.mark.django_db(transaction=True)
def test_an_error_of_the_compute_itself_is_its_readers() -> None:
    """What fails before the value is there is nobody else's affair."""
    with locked(), another_session(autocommit=False) as other:
        other.execute("LOCK TABLE catalog_item IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Exception, match="lock timeout"):
            ItemTotal.cached.get(group=1)


@pytest.mark.long
def test_a_standby(
    restartable: EmbeddedPostgres,
    moved_to: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    settings: Any,
) -> None:
    """``DATABASE`` is an alias of the standby: what is stored is served, the rest computed."""
    moved_to(restartable)
    sql("TRUNCATE catalog_item CASCADE")
    Item.objects.create(name="one", group=1, amount=5)
    drain()
    with standby_of(restartable) as standby:
        ItemTotal.cached.get(group=1)
        standby.catch_up()
        moved_to(standby)
        with computes() as seen:
            assert ItemTotal.cached.get(group=1)["amount"] == 5
            assert seen == []
            assert ItemTotal.cached.get(group=2)["amount"] == 0
        (said,) = warnings(caplog)
        assert SAID["read-only"] in said
        connections["default"].close()
