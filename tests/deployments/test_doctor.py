"""What ``kck_doctor`` says behind a pooler."""

from __future__ import annotations

from typing import Any

from django.db import connection

from example_app.embedded_postgres import PostgresServer
from kck_publish.diagnosis.registry import diagnose


def test_a_listen_that_hears_nothing_is_named_and_one_past_the_pooler_is_not(
    shared_session: int, postgres_server: PostgresServer, settings: Any
) -> None:
    (problem,) = diagnose("notifications", "default")
    assert "A pooler" in problem.message
    server = postgres_server.dsn_of(str(connection.settings_dict["NAME"]))
    settings.KCK_PUBLISH = {"DIRECT": server}
    assert diagnose("notifications", "default") == []
