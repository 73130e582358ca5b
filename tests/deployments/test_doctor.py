"""What ``kck_doctor`` says behind a pooler."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from example_app.embedded_postgres import PostgresServer
from kck_publish.diagnosis.registry import diagnose
from tests.deployments.pgbouncer import django_through, pgbouncer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def direct(transactional_db: None, postgres_server: PostgresServer) -> str:
    """The address past any pooler."""
    return postgres_server.dsn_of(str(connection.settings_dict["NAME"]))


def problems() -> list[str]:
    """What is wrong with the pooler, and with what is heard."""
    found = [*diagnose("pooler", "default"), *diagnose("notifications", "default")]
    return [problem.id for problem in found]


def test_where_there_is_no_pooler(direct: str) -> None:
    assert problems() == []


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_that_no_setting_names(mode: str, direct: str, settings: Any) -> None:
    with pgbouncer(mode, 3) as port, django_through(port):
        unnamed, no_listener = diagnose("pooler", "default")
        assert (unnamed.id, no_listener.id) == ("W034", "E036")
        assert f"127.0.0.1:{port}, " in unnamed.message
        how = "in transaction mode" if mode == "transaction" else "taken to be in transaction mode"
        assert f", {how}: each writing transaction" in unnamed.message
        assert f"No listener can start. A pooler (PgBouncer?) answers at 127.0.0.1:{port}" in str(
            no_listener
        )
        settings.KCK_PUBLISH = {"POOLER": mode}
        assert problems() == ["E036"]
        settings.KCK_PUBLISH = {"POOLER": mode, "DIRECT": direct}
        assert problems() == []


def test_a_pooler_that_is_named_wrongly(shared_session: int, direct: str, settings: Any) -> None:
    settings.KCK_PUBLISH = {"POOLER": "session", "DIRECT": direct}
    (problem,) = diagnose("pooler", "default")
    assert problem.id == "E033"
    assert "Set KCK_PUBLISH['POOLER'] to 'transaction'" in problem.cure


def test_a_listen_that_hears_nothing(postgres_server: PostgresServer, settings: Any) -> None:
    """DIRECT leads to another database, whose NOTIFY this is not."""
    settings.KCK_PUBLISH = {"DIRECT": postgres_server.dsn_of("postgres")}
    (problem,) = diagnose("notifications", "default")
    assert problem.id == "W015"
