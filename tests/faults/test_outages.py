"""Promise 2 through outages: connections ended, statements cut, the server gone or restarted.

The listener says once that it has lost the database and once that it has it again, catches up,
and ends well on SIGTERM; nobody's change is lost, none counts twice, and the seat belt is idle.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from example_app.embedded_postgres import EmbeddedPostgres
from kck_publish.postgres import connect
from kck_publish.testing import assert_fresh
from tests.acceptance.test_listener_process import Process, Start, drained, start, total
from tests.catalog.fixtures import Session, another_session, drain, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.faults.proxy import Proxy

pytestmark = pytest.mark.long

__all__ = ["start"]  # a fixture
Wait = Callable[..., Any]
LOST, AGAIN = "The database is lost", "Connected again"


def item() -> Item:
    row = Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    return row


def change(amount: int) -> None:
    sql("UPDATE catalog_item SET amount = %s WHERE name = 'one'", amount)


def says(listener: Process, words: str) -> int:
    """How often the listener has said this."""
    return sum(words in line for line in listener.lines)


def ends_well(listener: Process, outages: int = 1) -> None:
    """One line each way, nothing that nobody rang for, exit status 0."""
    assert listener.end() == 0, listener.lines
    assert says(listener, LOST) == says(listener, AGAIN) == outages, listener.lines
    assert says(listener, "seat belt") == 0, listener.lines
    assert says(listener, "Traceback") == 0, listener.lines


def asleep() -> bool:
    return sql("SELECT asleep FROM kck_publish_listener") == [(True,)]


BACKENDS = {
    "where it computes": """
        SELECT pid FROM pg_stat_activity WHERE datname = current_database()
           AND pid <> pg_backend_pid() AND query NOT LIKE 'LISTEN%%'
           AND pid NOT IN (SELECT backend FROM kck_publish_listener)""",
    "where it writes": "SELECT backend FROM kck_publish_listener",
    "where it listens": """
        SELECT pid FROM pg_stat_activity WHERE datname = current_database()
           AND query LIKE 'LISTEN%%' AND pid <> pg_backend_pid()""",
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("which", BACKENDS)
def test_a_connection_of_the_listeners_is_ended(start: Start, wait_until: Wait, which: str) -> None:
    item()
    listener = start(LINGER=0.01, POLL_INTERVAL=600).wait_ready()
    change(6)
    wait_until(total(6))
    wait_until(asleep)
    query = f"SELECT pid, pg_terminate_backend(pid) FROM ({BACKENDS[which]}) AS one (pid)"
    ended = sql(query)
    assert [done for _, done in ended] == [True], which
    change(7)
    wait_until(total(7))
    wait_until(lambda: says(listener, AGAIN))
    wait_until(drained)
    change(8)
    wait_until(total(8))
    assert_fresh()
    assert sql("SELECT count(*) FROM kck_publish_listener") == [(1,)]
    ends_well(listener)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("arrives", [False, True], ids=["lost", "its answer lost"])
@pytest.mark.parametrize("words", ["SET claimed", "SET done", "FROM kck_publish_change"])
def test_a_statement_of_the_listeners_is_cut_short(
    process_environment: dict[str, str],
    listening: Callable[..., Process],
    proxy: Proxy,
    wait_until: Wait,
    words: str,
    arrives: bool,
) -> None:
    """Above all the commit of a batch: done or not, the augment counts once."""
    item()
    listener = listening(through(proxy, process_environment)).wait_ready()
    proxy.cut_at(words.encode(), arrives)
    for amount in range(6, 12):
        change(amount)
        wait_until(total(amount))
    assert proxy.cut_short.is_set()
    wait_until(drained)
    assert_fresh()
    ends_well(listener)


def through(proxy: Proxy, environment: dict[str, str]) -> str:
    """The address of the test's database behind the proxy."""
    before, _, after = environment["KCK_TEST_DATABASE"].rpartition(":")
    return f"{before}:{proxy.port}/{after.partition('/')[2]}"


@pytest.mark.django_db(transaction=True)
def test_the_listener_is_cut_off_for_a_while(
    process_environment: dict[str, str],
    listening: Callable[..., Process],
    proxy: Proxy,
    wait_until: Wait,
) -> None:
    """No write waits for it, or fails; it tries again and again, and says so once."""
    item()
    listener = listening(through(proxy, process_environment)).wait_ready()
    proxy.gone = True
    proxy.cut()
    wait_until(lambda: says(listener, LOST))
    for amount in range(6, 30):
        change(amount)
        Item.objects.create(name=f"n{amount}", group=1, amount=0)
    wait_until(lambda: proxy.refused >= 3)
    assert says(listener, AGAIN) == 0
    proxy.gone = False
    wait_until(lambda: says(listener, AGAIN))
    wait_until(total(29))
    wait_until(drained)
    assert_fresh()
    ends_well(listener)


@pytest.mark.django_db(transaction=True)
def test_sigterm_while_the_database_is_gone(
    process_environment: dict[str, str],
    listening: Callable[..., Process],
    proxy: Proxy,
    wait_until: Wait,
) -> None:
    item()
    listener = listening(through(proxy, process_environment)).wait_ready()
    proxy.gone = True
    proxy.cut()
    wait_until(lambda: proxy.refused >= 2)
    assert listener.end(signal.SIGTERM) == 0, listener.lines
    assert says(listener, LOST) == 1


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_the_server_is_restarted(
    restartable: EmbeddedPostgres,
    moved_to: Callable[..., None],
    listening: Callable[..., Process],
    wait_until: Wait,
    mode: Any,
) -> None:
    """Under writers, who try again; what the server has acknowledged counts, once."""
    moved_to(restartable)
    sql("TRUNCATE catalog_item CASCADE")
    item()
    listener = listening(restartable.dsn).wait_ready()
    stop, halves = threading.Event(), [threading.Semaphore(0), threading.Semaphore(0)]

    def write() -> int:
        written = 0
        while not stop.is_set():
            try:
                with another_session() as session:
                    while not stop.is_set():
                        session.execute(
                            "UPDATE catalog_item SET amount = amount + 1 WHERE name = 'one'"
                        )
                        written += 1
                        halves[0].release()
            except psycopg.OperationalError:  # as a client must
                stop.wait(0.02)
        return written

    writer = Session(write)
    for _ in range(50):
        assert halves[0].acquire(timeout=20)
    connection.close()
    restartable.restart(mode)
    for _ in range(50):
        assert halves[0].acquire(timeout=20)
    stop.set()
    written = writer.result()
    wait_until(drained)
    ((amount,),) = sql("SELECT amount FROM catalog_item")
    assert written <= amount - 5 <= written + 1  # the one whose answer was lost
    wait_until(total(amount))
    assert_fresh()
    wait_until(lambda: says(listener, AGAIN))
    ends_well(listener)


def test_readers_through_an_outage(
    restartable: EmbeddedPostgres, moved_to: Callable[..., None], wait_until: Wait
) -> None:
    """Django's own error while it lasts; served again once the request's connection is new.

    As CONN_MAX_AGE keeps it, a connection that has gone stale costs one request its answer.
    """
    moved_to(restartable)
    connection.settings_dict["CONN_MAX_AGE"] = None
    sql("TRUNCATE catalog_item CASCADE")
    item()
    assert ItemTotal.cached.get(group=1)["amount"] == 5
    restartable.restart("immediate")
    with pytest.raises((OperationalError, InterfaceError)):
        ItemTotal.cached.get(group=1)
    close_old_connections()  # what Django does between two requests
    drain()  # what a crash loses of the listener's writes is the listener's to repeat
    assert ItemTotal.cached.get(group=1)["amount"] == 5
    connection.settings_dict["CONN_HEALTH_CHECKS"] = True
    try:
        connection.close()
        assert ItemTotal.cached.get(group=1)["amount"] == 5
        restartable.restart("fast")
        close_old_connections()
        assert ItemTotal.cached.get(group=1)["amount"] == 5  # no request need fail
    finally:
        connection.settings_dict["CONN_HEALTH_CHECKS"] = False


@pytest.mark.django_db(transaction=True)
def test_a_listen_connection_that_is_half_open_is_noticed(
    process_environment: dict[str, str],
    listening: Callable[..., Process],
    proxy: Proxy,
    wait_until: Wait,
) -> None:
    """Its packets are dropped and nobody is told: the heartbeat finds that it hears nothing."""
    item()
    listener = listening(
        through(proxy, process_environment), LINGER=0.01, POLL_INTERVAL=0.5
    ).wait_ready()
    wait_until(asleep)
    (ear,) = proxy.links(lambda link: link.said(b'LISTEN "kck_publish_'))
    ear.freeze()
    wait_until(lambda: says(listener, "LISTEN had become deaf"))
    ear.cut()
    change(6)
    wait_until(total(6))
    wait_until(asleep)  # it listens again
    assert len(proxy.links(lambda link: link.said(b'LISTEN "kck_publish_'))) == 1
    wait_until(drained)
    assert stored("item_total/1") is not None
    assert listener.end() == 0
    assert says(listener, "LISTEN") == 1
    assert says(listener, LOST) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("own_dsn", [False, True])
def test_the_kernel_watches_over_the_listeners_connections(
    process_environment: dict[str, str], own_dsn: bool, settings: Any
) -> None:
    """Packets that are dropped while a statement runs end it in half a minute, not in hours."""
    dsn = process_environment["KCK_TEST_DATABASE"] if own_dsn else None
    settings.KCK_PUBLISH = {"DIRECT": dsn}
    with closing(connect("default")) as found:
        if found.info.host.startswith("/"):
            pytest.skip("a socket of the same machine")
        with socket.socket(fileno=os.dup(found.fileno())) as raw:
            assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
    if dsn is not None:
        settings.KCK_PUBLISH = {"DIRECT": f"{dsn}?keepalives_idle=77"}
        with closing(connect("default")) as found:
            assert found.info.get_parameters()["keepalives_idle"] == "77"
