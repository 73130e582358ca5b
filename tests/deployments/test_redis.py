"""A Redis that is full, and one that is flushed, under a listener at work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches

from kck_publish import stores
from kck_publish.listener.listener import Listener
from kck_publish.stores.cache_entries import entries_of
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import computes, listening, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemNames, ItemTotal
from tests.contracts.conftest import Server, redis_server, saved_redis

__all__ = ["redis_server", "saved_redis"]
pytestmark = pytest.mark.django_db(transaction=True)
Wait = Callable[..., Any]


@pytest.fixture(params=["redis_server"])
def server(request: pytest.FixtureRequest) -> Server:
    """The server that is the store."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def redis(server: Server, transactional_db: None, settings: Any) -> Iterator[Any]:
    """The client of a Redis that is the store, and that other applications use."""
    settings.CACHES = {
        "default": settings.CACHES["default"],
        "shared": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{server.port}/0",
        },
    }
    settings.KCK_PUBLISH = {"STORE": "cache:shared"}
    stores._store.cache_clear()
    entries_of.cache_clear()
    client: Any = caches["shared"]._cache.get_client(None)  # type: ignore[attr-defined]
    client.flushall()
    yield client
    client.config_set("maxmemory", 0)
    client.flushall()
    client.connection_pool.disconnect()
    caches.close_all()
    stores._store.cache_clear()
    entries_of.cache_clear()


@pytest.fixture
def listener(redis: Any) -> Iterator[Listener]:
    for group in (1, 2):
        Item.objects.create(name=f"item{group}", group=group, amount=5)
    with listening() as listener:
        yield listener


def total(group: int = 1) -> Any:
    return ItemTotal.cached.get(group=group)["amount"]


def pushed(group: int, amount: int) -> Callable[[], bool]:
    def is_there() -> bool:
        entry = stored(f"item_total/{group}")
        return entry is not None and f":{amount}}}".encode() in (entry.body or b"")

    return is_there


def test_a_full_redis(
    redis: Any, listener: Listener, wait_until: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    """What it does not take is computed, what it holds is never old, and its listener goes on."""
    assert total() == 5
    redis.config_set("maxmemory-policy", "noeviction")
    redis.config_set("maxmemory", redis.info("memory")["used_memory"])
    with caplog.at_level(logging.WARNING, "kck_publish"):
        sql("UPDATE catalog_item SET amount = 8")
        wait_until(lambda: total() == 8)
        assert [name for _, name in ItemNames.cached.get(group=2)] == ["item2"]
        assert total(2) == 8
    assert sum("refuses" in one.getMessage() for one in caplog.records) <= 1
    assert listener.moments.lost.count == 0
    assert not any("cannot be reached" in one.getMessage() for one in caplog.records)
    redis.config_set("maxmemory", 0)
    assert total() == 8
    sql("UPDATE catalog_item SET amount = 9")
    wait_until(pushed(1, 9))
    assert_fresh()


def test_a_flushed_redis(redis: Any, listener: Listener, wait_until: Wait) -> None:
    """Other applications flush it: nothing is old, and what is read, or changes, is there again.

    The listener misses its marker and begins the cache anew: what was read before is gone again.
    """
    assert [total(), total(2)] == [5, 5]
    redis.flushall()

    def is_there() -> bool:
        with computes() as seen:
            assert total() == 5
        return seen == []

    assert not is_there()
    wait_until(is_there)
    sql("UPDATE catalog_item SET amount = 8")
    wait_until(pushed(1, 8))
    wait_until(lambda: entries_of("shared", "public", "default").marker())
    assert listener.moments.lost.count == 0
    assert [total(), total(2)] == [8, 8]
    assert_fresh()


@pytest.mark.parametrize("server", ["saved_redis"], indirect=True)
def test_a_redis_that_is_set_back(
    server: Server,
    redis: Any,
    listener: Listener,
    wait_until: Wait,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It starts from what it saved some time ago: nobody goes on reading what was true then."""
    assert [total(), total(2)] == [5, 5]
    wait_until(lambda: entries_of("shared", "public", "default").marker())
    redis.save()
    sql("UPDATE catalog_item SET amount = 8")
    wait_until(pushed(1, 8))
    wait_until(pushed(2, 8))
    with caplog.at_level(logging.WARNING, "kck_publish"):
        server.stop()
        server.start()
        wait_until(lambda: "started anew" in caplog.text)
    wait_until(lambda: [total(), total(2)] == [8, 8])
    assert_fresh()
