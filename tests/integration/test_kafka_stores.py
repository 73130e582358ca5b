"""Another service's products in each kind of store of one's own. On Tansu, and a real Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import CommandError, call_command

from kck_publish import stores
from kck_publish.contrib.kafka import registry
from kck_publish.contrib.kafka.consume import Consume
from kck_publish.exceptions import NotPrimed
from kck_publish.stores.cache_entries import entries_of
from tests.catalog.fixtures import Session, followed, sql
from tests.contracts.conftest import Server, redis_server
from tests.kafka_app.kafka import RemoteTotals
from tests.kafka_broker import Broker

__all__ = ["redis_server"]
pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def in_redis(server: Server, settings: Any) -> Iterator[Any]:
    """Redis is the store; its client."""
    place = f"redis://127.0.0.1:{server.port}/0"
    shared = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": place}
    settings.CACHES = {"default": settings.CACHES["default"], "shared": shared}
    settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "STORE": "cache:shared"}
    stores._store.cache_clear()
    entries_of.cache_clear()
    client: Any = caches["shared"]._cache.get_client(None)  # type: ignore[attr-defined]
    client.flushall()
    try:
        yield client
    finally:
        client.flushall()
        client.connection_pool.disconnect()
        caches.close_all()
        stores._store.cache_clear()
        entries_of.cache_clear()


@pytest.fixture(params=["redis", "near", "redis and near"])
def kept_in(request: Any, broker: Broker, settings: Any, tmp_path: Path) -> Iterator[str]:
    """Where the products are kept and read."""
    near = str(tmp_path / "near")
    if "near" in request.param:
        settings.KCK_PUBLISH = {**settings.KCK_PUBLISH, "NEAR": near, "NEAR_LEASE": 5.0}
    if "redis" not in request.param:
        with followed(near):
            yield request.param
        return
    with in_redis(request.getfixturevalue("redis_server"), settings):
        if "near" not in request.param:
            yield request.param
            return
        with followed(near):
            yield request.param


@contextmanager
def consuming() -> Iterator[None]:
    consume = Consume(registry.chosen(registry.consumers, ["RemoteTotals"]))
    session = Session(consume.run)
    try:
        yield
    finally:
        consume.stop()
        session.join(30)


def product(group: int, amount: int | None, read_at: str) -> tuple[Any, ...]:
    told = [("read-at", read_at.encode()), ("site", b"there")]
    value = None if amount is None else json.dumps({"amount": amount}).encode()
    return f"item_total/{group}".encode(), value, told


def read(*groups: int) -> list[Any]:
    found = RemoteTotals.cached.get_many([{"group": group} for group in groups])
    return [one and one["amount"] for one in found]


def test_a_topic_product_is_read_from_each_store(
    kept_in: str, broker: Broker, wait_until: Any, django_assert_num_queries: Any
) -> None:
    broker.make("totals", 1)
    broker.produce("totals", product(1, 10, "1/90:90:"), product(2, 20, "1/90:90:"))
    with consuming():
        wait_until(lambda: read(1, 2, 3) == [10, 20, None], 20)
        late = product(1, 9, "1/80:80:"), product(2, None, "1/80:80:")
        broker.produce("totals", product(1, 11, "1/99:99:"), *late)
        wait_until(lambda: sql("SELECT sum(next) FROM kck_publish_kafka_offset") == [(5,)], 20)
        wait_until(lambda: read(1, 2) == [11, 20], 20)
        if "near" in kept_in:
            with django_assert_num_queries(0):
                assert read(1, 2) == [11, 20]
        broker.produce("totals", product(2, None, "1/100:100:"))
        wait_until(lambda: read(1, 2) == [11, None], 20)
    with pytest.raises(NotPrimed):
        RemoteTotals.cached.get(group=2)
    assert RemoteTotals.cached.get(group=1) == {"amount": 11}


def test_what_a_cache_has_lost_is_read_again(
    broker: Broker, settings: Any, redis_server: Server, wait_until: Any
) -> None:
    """Nothing here computes it anew."""
    broker.make("totals", 1)
    broker.produce("totals", product(1, 10, "1/90:90:"), product(2, 20, "1/90:90:"))
    with in_redis(redis_server, settings) as client, consuming():
        wait_until(lambda: read(1, 2) == [10, 20], 20)
        client.flushall()
        assert read(1, 2) == [None, None]
        with pytest.raises(CommandError, match="Orders is no TopicProduct"):
            call_command("kck_consume", "Orders", "--again")
        call_command("kck_consume", "RemoteTotals", "--again")
        wait_until(lambda: read(1, 2) == [10, 20], 30)
