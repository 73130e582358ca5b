"""How the embedded server's module reads and writes addresses: DATABASE_URL, DSN, DATABASES."""

import pytest

from example_app.embedded_postgres import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    PostgresServer,
    find_or_start,
)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres@127.0.0.1:5999/postgres",
        "postgresql://an%40user:pass%2Fword@db.example:6000/some%20name?sslmode=require",
        "postgresql://u@[::1]:5432/x",
        "postgresql://u@:5432/x?host=%2Fvar%2Frun",
    ],
)
def test_a_url_survives_the_round_trip(url: str) -> None:
    server = PostgresServer.from_url(url)
    assert PostgresServer.from_url(server.dsn) == server


def test_a_url_becomes_django_settings() -> None:
    server = PostgresServer.from_url("postgres://me:p%40ss@db:6000/shop?sslmode=require")
    assert server.database_settings() == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "HOST": "db",
        "PORT": "6000",
        "USER": "me",
        "PASSWORD": "p@ss",
        "OPTIONS": {"sslmode": "require"},
    }
    assert server.database_settings("other")["NAME"] == "other"


def test_a_socket_folder_can_be_the_host() -> None:
    assert PostgresServer.from_url("postgresql:///x?host=%2FRun%2Fpg").host == "/Run/pg"
    server = PostgresServer.from_url("postgresql://me@%2FRun%2Fpg:6000/x")
    assert (server.host, server.port) == ("/Run/pg", 6000)
    assert PostgresServer.from_url(server.dsn) == server


def test_another_scheme_is_refused() -> None:
    with pytest.raises(EmbeddedPostgresError, match="postgresql://"):
        PostgresServer.from_url("mysql://me@db/shop")


def test_database_url_names_a_server_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db/shop")
    with find_or_start() as server:
        assert server.host == "db"
        with pytest.raises(EmbeddedPostgresError, match="DATABASE_URL"):
            server.restart()


def test_a_version_that_is_not_carried_is_refused() -> None:
    with pytest.raises(EmbeddedPostgresError, match="16, 18"):
        EmbeddedPostgres.start(version=9)
