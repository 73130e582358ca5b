"""A client of a transaction pooler sees its own writes, whichever session of the server it gets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import path

from example_app.embedded_postgres import PostgresServer
from kck_publish.capture import own_pooled_writes
from kck_publish.listener.listener import Listener
from kck_publish.postgres import PREPARE
from kck_publish.request.own_writes_cookies import PREFIX
from tests.catalog.fixtures import Session, computes, drain, sql
from tests.catalog.models import Item, Tag
from tests.catalog.primers import ItemTotal
from tests.deployments.pgbouncer import connect, django_through, pgbouncer

pytestmark = pytest.mark.django_db(transaction=True)


def total() -> int:
    return int(ItemTotal.cached.get(group=1)["amount"])


@pytest.fixture(params=["postgres", "cache:default"])
def row(request: pytest.FixtureRequest, settings: Any, transactional_db: None) -> Item:
    settings.KCK_PUBLISH = {"STORE": request.param}
    caches["default"].clear()
    item = Item.objects.create(name="one", group=1, amount=5)
    total()
    drain()
    assert total() == 5
    return item


@pytest.fixture
def pooled(row: Item) -> Iterator[int]:
    """Two sessions of the server, which clients get in turn."""
    with pgbouncer("transaction", 2) as port, django_through(port):
        yield port


@contextmanager
def busy(port: int) -> Iterator[None]:
    """The session of the server that was used last is somebody else's meanwhile."""
    with connect(port) as other, other.transaction():
        other.execute("SELECT 1")
        yield


def test_no_read_is_prepared_there(pooled: int) -> None:
    """The session that it would be prepared in is somebody else's a moment later."""
    for _ in range(2 * PREPARE):
        assert total() == 5
        assert Item.cached.get(name="one").amount == 5
    assert sql("SELECT count(*) FROM pg_prepared_statements") == [(0,)]
    with connect(pooled) as other:
        assert other.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


def update() -> None:
    Item.objects.filter(name="one").update(amount=8)


def in_a_transaction() -> None:
    with transaction.atomic():
        assert total() == 5  # which begins the transaction, before it writes
        update()
        assert total() == 8
        Tag.objects.create(name="and more")


def after_a_savepoint() -> None:
    with transaction.atomic():
        savepoint = connection.savepoint()
        assert savepoint is not None
        Item.objects.filter(name="one").update(amount=7)
        assert total() == 7
        connection.savepoint_rollback(savepoint)
        assert total() == 5
        update()


def by_psycopg() -> None:
    connection.ensure_connection()
    connection.connection.execute("UPDATE catalog_item SET amount = 8 WHERE name = 'one'")


def several() -> None:
    sql("BEGIN; UPDATE catalog_item SET amount = 8 WHERE name = 'one'; COMMIT")


def procedure() -> None:
    sql(
        "CREATE OR REPLACE PROCEDURE twice() LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE catalog_item SET amount = 8 WHERE name = 'one'; COMMIT; END $$"
    )
    sql("CALL twice()")


WRITES: dict[str, Callable[[], None]] = {
    write.__name__: write
    for write in (update, in_a_transaction, after_a_savepoint, by_psycopg, several, procedure)
}


@pytest.mark.parametrize("how", WRITES)
def test_a_read_after_ones_own_write(pooled: int, how: str) -> None:
    assert total() == 5
    WRITES[how]()
    with busy(pooled):
        assert total() == 8
        assert total() == 8
    assert total() == 8


def test_until_the_listener_has_passed_it(pooled: int) -> None:
    update()
    with computes() as seen:
        assert total() == 8
    assert seen
    listen_without_it()
    total()
    with computes() as seen:
        assert total() == 8
    assert seen == []


def listen_without_it() -> None:
    """A listener in another thread goes to the server itself."""
    settings = connection.settings_dict
    before = settings["HOST"], settings["PORT"]
    server = PostgresServer.from_url(os.environ["KCK_TEST_DATABASE"])
    settings.update(HOST=server.host, PORT=server.port)
    try:
        Session(lambda: Listener("default").once()).result()
    finally:
        settings["HOST"], settings["PORT"] = before


def test_what_was_rolled_back_is_no_write(pooled: int) -> None:
    with transaction.atomic():
        update()
        transaction.set_rollback(True)
    with busy(pooled), computes() as seen:
        assert total() == 5
    assert seen == []


def test_others_writes_are_not_taken_for_ones_own(pooled: int) -> None:
    """Though the mark is in the session that both are given."""
    assert total() == 5
    with connect(pooled) as other:
        other.execute("UPDATE catalog_item SET amount = 8")
        with computes() as seen:
            assert total() == 5
    assert seen == []


def test_a_write_of_something_else_costs_no_compute(pooled: int) -> None:
    Tag.objects.create(name="x")
    with computes() as seen:
        assert total() == 5
    assert seen == []


def view(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        update()
        return HttpResponse()
    return JsonResponse(total(), safe=False)


urlpatterns = [path("item", view)]


def test_the_middleware_gives_a_token(pooled: int, settings: Any) -> None:
    settings.MIDDLEWARE = ["kck_publish.request.ReadYourWritesMiddleware"]
    settings.ROOT_URLCONF = __name__
    browser = Client()
    assert browser.get("/item").json() == 5
    with busy(pooled):
        assert [name for name in browser.post("/item").cookies if name.startswith(PREFIX)]
    connection.close()
    assert browser.get("/item").json() == 8


@pytest.mark.parametrize(
    ("mode", "declared", "expected"),
    [
        ("transaction", None, True),
        ("session", None, True),
        ("session", "session", False),
        ("transaction", "transaction", True),
        ("none", None, False),
        ("none", "transaction", True),
    ],
)
def test_how_a_pooler_is_known(
    mode: str, declared: str | None, expected: bool, settings: Any, transactional_db: None
) -> None:
    """One that is not declared is taken for one in transaction mode: nothing is missed."""
    settings.KCK_PUBLISH = {"POOLER": declared}
    connection.close()
    try:
        if mode == "none":
            connection.ensure_connection()
            assert own_pooled_writes.is_pooled(connection.connection) is expected
        else:
            with pgbouncer(mode) as port, django_through(port):
                connection.ensure_connection()
                assert own_pooled_writes.is_pooled(connection.connection) is expected
    finally:
        connection.close()
