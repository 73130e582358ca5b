"""A database as docs/deployments.md makes it: of three roles, none of them a superuser."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.db import connection

from example_app.embedded_postgres import EmbeddedPostgres
from tests.faults.conftest import ROOT, VERSION, environment_for

PAGE = (Path(__file__).parents[2] / "docs" / "deployments.md").read_text()
ROLES, GRANTS = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
OWNER, WEB, LISTENER = "shop_owner", "shop_web", "shop_listener"


@dataclass
class Shop:
    """The server, and its database ``shop``."""

    server: EmbeddedPostgres

    def dsn(self, role: str) -> str:
        """The address of the database, for a role."""
        return self.server.dsn_of("shop").replace("//postgres", f"//{role}", 1)

    def run(self, script: str, role: str = OWNER) -> None:
        """Run SQL."""
        with psycopg.connect(self.dsn(role), autocommit=True) as session:
            session.execute(script)

    def manage(self, role: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``manage.py ...`` of a role."""
        return subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            env=environment_for(self.dsn(role)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def denied(self) -> Iterator[set[str]]:
        """The names of what the server has refused to somebody within the block."""
        log = Path(self.server.socket_dir, "log")
        begin = log.stat().st_size
        found: set[str] = set()
        yield found
        with log.open("rb") as file:
            file.seek(begin)
            text = file.read().decode(errors="replace")
        found.update(re.findall(r"permission denied for \w+ (\w+)", text))


@contextmanager
def shop() -> Iterator[Shop]:
    """Make it: the roles, ``migrate`` as the owner, the grants."""
    with EmbeddedPostgres.start(VERSION, {"fsync": "off"}) as server:
        with psycopg.connect(server.dsn, autocommit=True) as session:
            for command in ROLES.split(";"):  # CREATE DATABASE is none of several
                if command.strip():
                    session.execute(command)
        made = Shop(server)
        done = made.manage(OWNER, "migrate", "--run-syncdb", "-v", "0")
        assert done.returncode == 0, done.stdout + done.stderr
        made.run(GRANTS)
        yield made


@contextmanager
def django_as(shop: Shop, role: str) -> Iterator[None]:
    """Django's connection is a role's."""
    settings = connection.settings_dict
    before = dict(settings)
    connection.close()
    ours = shop.server.database_settings("shop")
    settings.update({key: ours[key] for key in ("HOST", "PORT", "PASSWORD", "NAME")}, USER=role)
    try:
        yield
    finally:
        connection.close()
        settings.update(before)
