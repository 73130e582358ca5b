"""The proxy makes the faults that it says."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from example_app.embedded_postgres import PostgresServer
from tests.faults.proxy import Proxy


def connect(server: PostgresServer, proxy: Proxy, **options: Any) -> psycopg.Connection[Any]:
    return psycopg.connect(
        server.dsn, host="127.0.0.1", port=proxy.port, autocommit=True, connect_timeout=5, **options
    )


def test_it_forwards_cuts_and_is_gone(postgres_server: PostgresServer, proxy: Proxy) -> None:
    with connect(postgres_server, proxy) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert proxy.cut() == 1
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    proxy.gone = True
    with pytest.raises(psycopg.OperationalError):
        connect(postgres_server, proxy)
    proxy.gone = False
    with connect(postgres_server, proxy) as connection:
        assert connection.execute("SELECT 2").fetchone() == (2,)


@pytest.mark.parametrize("arrives", [False, True])
def test_a_statement_cut_short_has_arrived_or_not(
    postgres_server: PostgresServer, proxy: Proxy, arrives: bool
) -> None:
    with psycopg.connect(postgres_server.dsn, autocommit=True) as direct:
        direct.execute("CREATE TABLE cut_short (one int)")
        try:
            with connect(postgres_server, proxy) as connection:
                proxy.cut_at(b"INSERT INTO cut_short", arrives=arrives)
                with pytest.raises(psycopg.OperationalError):
                    connection.execute("INSERT INTO cut_short VALUES (1)")
            assert proxy.cut_short.wait(10)
            assert direct.execute("SELECT count(*) FROM cut_short").fetchone() == (int(arrives),)
        finally:
            direct.execute("DROP TABLE cut_short")


def test_frozen_is_silent(postgres_server: PostgresServer, proxy: Proxy) -> None:
    with connect(postgres_server, proxy) as connection:
        connection.execute("LISTEN hear")
        (link,) = proxy.links(lambda one: one.said(b"LISTEN hear"))
        link.freeze()
        with connect(postgres_server, proxy) as other:
            other.execute("NOTIFY hear")
        assert not list(connection.notifies(timeout=0.1, stop_after=1))
        link.thaw()
        assert [one.channel for one in connection.notifies(timeout=10, stop_after=1)] == ["hear"]
