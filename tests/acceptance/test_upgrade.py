"""A database that 0.1.0 left behind is migrated and followed on: nothing in it is lost or wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from example_app.embedded_postgres import PostgresServer

ROOT = Path(__file__).parents[2]
LEFT = ROOT / "tests" / "upgrade" / "0.1.0.sql"
# The dump is of another cluster, whose snapshots mean nothing here: it is made one of this.
ADOPT = """
    SET search_path TO public;  -- the dump has emptied it
    DELETE FROM public.kck_publish_change;
    DELETE FROM public.kck_publish_copy;
    UPDATE public.kck_publish_entry SET stamp = pg_current_snapshot();
    UPDATE public.kck_publish_shard SET claimed = pg_current_snapshot(),
        done = pg_current_snapshot(), floor = pg_current_snapshot(),
        cluster = (SELECT system_identifier::text FROM pg_control_system());
"""
# Written down by the triggers of 0.1.0, and handled by today's listener.
WRITES = """
    UPDATE public.upgrade_book SET price = 10 WHERE title = 'le-guin 0';
    INSERT INTO public.upgrade_book (author_id, title, price) VALUES (1, 'le-guin 3', 100);
    UPDATE public.upgrade_author SET name = 'Ursula' WHERE slug = 'le-guin';
"""
LATER = "UPDATE public.upgrade_book SET price = 11 WHERE title = 'le-guin 0'"
READ = """
import django; django.setup()
import json
from kck_publish import Cache
from tests.upgrade.models import Author
cache = Cache.get_instance()
print(json.dumps({
    key: cache.get(key, prime_on_cache_miss=False) for key in ("page/1", "page/2", "spending/1")
} | {"name": Author.cached.get(slug="le-guin").name}))
"""


@pytest.mark.long
def test_what_0_1_0_left_behind_is_followed_on(postgres_server: PostgresServer) -> None:
    name = f"upgrade_{os.getpid()}"
    environment = {
        **os.environ,
        "KCK_TEST_DATABASE": postgres_server.dsn_of(name),
        "DJANGO_SETTINGS_MODULE": "tests.upgrade.settings",
    }

    def manage(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def read() -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-c", READ],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        values: dict[str, object] = json.loads(done.stdout)
        return values

    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            with psycopg.connect(postgres_server.dsn_of(name), autocommit=True) as old:
                old.execute(LEFT.read_bytes())
                for statements in (ADOPT, WRITES):
                    old.execute(statements.encode())
            manage("migrate", "--verbosity", "0")
            manage("kck_listen", "--once")
            titles = ["le-guin 0", "le-guin 1", "le-guin 2", "le-guin 3"]
            second = {"name": "Jemisin", "books": ["broken", "jemisin 0", "jemisin 1"]}
            assert read() == {
                "page/1": {"name": "Ursula", "books": titles},
                "page/2": second,
                "spending/1": 10 + 2 + 3 + 100,
                "name": "Ursula",
            }
            letters = json.loads(manage("kck_dead_letters", "list", "--json"))
            assert [letter["key"] for letter in letters] == ["broken/2"]
            assert json.loads(manage("kck_status", "--json"))["triggers"] == []
            with psycopg.connect(postgres_server.dsn_of(name), autocommit=True) as new:
                new.execute(LATER.encode())
            manage("kck_listen", "--once")
            assert read()["spending/1"] == 11 + 2 + 3 + 100
            manage("kck_verify", "page", "spending", "upgrade.author")
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} (FORCE)").format(sql.Identifier(name)))
