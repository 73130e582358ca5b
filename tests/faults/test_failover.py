"""A database that has lost its last commits, and a store outside that has not (B11).

A standby that is promoted, or a copy that was set back, gives the numbers of the lost transactions
to others: what the store holds of them looks true, and stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches

from example_app.embedded_postgres import EmbeddedPostgres
from kck_publish import Cache, stores
from kck_publish.stores.cache_entries import entries_of
from kck_publish.testing import assert_fresh
from tests.catalog.fixtures import Session, drain, empty, followed, sql
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.contracts.conftest import Server, memcached_server, redis_server
from tests.faults.standby import Standby, standby_of

__all__ = ["memcached_server", "redis_server"]

cache = Cache.get_instance()
BACKENDS = {
    "redis": "django.core.cache.backends.redis.RedisCache",
    "memcached": "django.core.cache.backends.memcached.PyMemcacheCache",
}


@pytest.fixture(params=["postgres", "redis", "memcached", "redis+near"])
def store(
    request: pytest.FixtureRequest, restartable: EmbeddedPostgres, moved_to: Any, settings: Any
) -> Iterator[str]:
    """A store with two values, of a server of our own; beside another application's in a cache."""
    kind, _, near = request.param.partition("+")
    moved_to(restartable)
    empty("kck_publish_entry", "kck_publish_shard", "kck_publish_change", "kck_publish_generation")
    sql("TRUNCATE catalog_item CASCADE")
    if kind in BACKENDS:
        server: Server = request.getfixturevalue(f"{kind}_server")
        scheme = "redis://" if kind == "redis" else ""
        shared = {"BACKEND": BACKENDS[kind], "LOCATION": f"{scheme}127.0.0.1:{server.port}"}
        settings.CACHES = {"default": settings.CACHES["default"], "shared": shared}
        settings.KCK_PUBLISH = {"STORE": "cache:shared"}
        caches["shared"].clear()
        caches["shared"].set("theirs", b"kck1")
        caches["shared"].set("kck1:theirs", 1)
    if near:
        settings.KCK_PUBLISH |= {
            "NEAR": str(request.getfixturevalue("tmp_path") / "near"),
            "NEAR_LEASE": 1.0,
        }
    stores._store.cache_clear()
    entries_of.cache_clear()
    Item.objects.create(name="one", group=1, amount=5)
    drain()
    assert total() == 5
    cache.set("any/thing", "by hand")
    drain()
    yield request.param
    if kind in BACKENDS:
        assert caches["shared"].get_many(["theirs", "kck1:theirs"]) == {
            "theirs": b"kck1",
            "kck1:theirs": 1,
        }
        caches["shared"].clear()
        caches.close_all()
    stores._store.cache_clear()
    entries_of.cache_clear()


def total(group: int = 1) -> Any:
    return ItemTotal.cached.get(group=group)["amount"]


def lose_the_last_commits() -> None:
    """The primary commits, and what the store holds reflects it."""
    sql("UPDATE catalog_item SET amount = 8")
    Item.objects.create(name="two", group=2, amount=20)
    drain()
    assert [total(), total(2)] == [8, 20]
    drain()


def all_is_true_on(
    server: Standby, moved_to: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> list[str]:
    """What the listener says at its start there."""
    moved_to(server)
    # More transactions than were lost: their numbers are given to others now.
    sql("DO $$ BEGIN FOR i IN 1..300 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
    caplog.clear()
    with caplog.at_level(logging.WARNING, "kck_publish"):
        drain()
        drain()
    said = [record.getMessage() for record in caplog.records if "begun anew" in record.msg]
    assert Session(total).result() == 5
    assert total(2) == 0
    assert_fresh()
    sql("UPDATE catalog_item SET amount = amount + 1")
    drain()
    assert [total(), total(2)] == [6, 0]
    assert_fresh()
    return said


@pytest.mark.long
def test_a_promoted_standby_that_lacked_the_last_commits(
    store: str,
    restartable: EmbeddedPostgres,
    moved_to: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    settings: Any,
) -> None:
    """The timeline is another one: values outside are begun anew, once; those inside went along."""
    with standby_of(restartable) as standby, ExitStack() as stack:
        standby.catch_up()
        standby.lose_what_comes()
        if path := settings.KCK_PUBLISH.get("NEAR") if store != "postgres" else None:
            stack.enter_context(followed(path))
        lose_the_last_commits()
        stack.close()
        standby.promote()
        if store == "memcached":  # evicted: the database alone can tell
            caches["shared"].delete("kck1:marker")
        moved_to(standby)
        if path:
            stack.enter_context(followed(path))
        said = all_is_true_on(standby, moved_to, caplog)
        assert len(said) == (store != "postgres"), said
        stack.close()


@pytest.mark.long
def test_a_server_that_was_set_back(
    store: str,
    restartable: EmbeddedPostgres,
    moved_to: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The timeline is the same: the store has seen claims that the database does not know."""
    if "near" in store:
        pytest.skip("as without it")
    with standby_of(restartable, follows=False) as earlier:
        lose_the_last_commits()
        said = all_is_true_on(earlier, moved_to, caplog)
        assert len(said) == (store != "postgres"), said


@pytest.mark.long
@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_own_writes_before_the_listener_has_looked(
    store: str, restartable: EmbeddedPostgres, moved_to: Callable[..., None]
) -> None:
    """What the cache holds seems to include transactions that have just been committed (B22)."""
    with standby_of(restartable) as standby:
        standby.catch_up()
        standby.lose_what_comes()
        sql(
            "DO $$ BEGIN FOR i IN 1..50 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )
        lose_the_last_commits()
        standby.promote()
        moved_to(standby)
        assert total() == 8
        sql("UPDATE catalog_item SET amount = 6")
        assert total() == 6
        drain()
        assert [total(), Session(total).result()] == [6, 6]


@pytest.mark.long
@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_names_of_before_are_gone(
    store: str, restartable: EmbeddedPostgres, moved_to: Callable[..., None], tmp_path: Path
) -> None:
    """A value without a row, too; and what merely looks like ours is let be."""
    client = caches["shared"]._cache.get_client(None)  # type: ignore[attr-defined]
    before = {name for name in client.scan_iter() if b":kck1:" in name}
    with standby_of(restartable) as standby:
        standby.catch_up()
        standby.lose_what_comes()
        lose_the_last_commits()
        standby.promote()
        moved_to(standby)
        drain()
        left = {name for name in client.scan_iter() if b":kck1:" in name}
        assert {name.rpartition(b":kck1:")[2] for name in left & before} <= {
            b"marker", b"theirs", b"fence:0:1",
        }  # fmt: skip
        total()
        assert len(list(client.scan_iter())) > len(left)
