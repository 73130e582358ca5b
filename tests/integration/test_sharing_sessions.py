"""Whose sessions a listener ends: those of silent listeners, and nobody else's."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from kck_publish.sharing import Sharing
from tests.catalog.fixtures import another_session, sql

pytestmark = pytest.mark.django_db(transaction=True)

SILENT = """
INSERT INTO kck_publish_listener (name, backend, started_at, seen_at)
VALUES ('dead', %s, clock_timestamp() + %s::interval, clock_timestamp() - interval '1 hour')
"""


def lives(session: psycopg.Connection[Any]) -> bool:
    try:
        session.execute("SELECT")
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize(("began", "spared"), [("-1 hour", True), ("1 second", False)])
def test_a_session_with_a_dead_listeners_process_id_is_spared(began: str, spared: bool) -> None:
    """Process ids come again: what began after the listener is somebody else's session."""
    with another_session() as session, another_session() as desk:
        sql(SILENT, session.info.backend_pid, began)
        Sharing(desk, {}, None).beat(0, 0)
        assert lives(session) is spared
