"""Whose sessions a listener ends: those of silent listeners, and nobody else's."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from django.db.models import Value
from django.db.models.functions import Concat
from django.test import override_settings

from kck_publish.listener.assignment import Assignment
from kck_publish.listener.listener import Listener
from tests.catalog.fixtures import Session, another_session, interfering, sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemNames

pytestmark = pytest.mark.django_db(transaction=True)

SILENT = """
INSERT INTO kck_publish_listener (name, backend, started_at, seen_at)
VALUES ('dead', %s, clock_timestamp() + %s::interval, clock_timestamp() - interval '1 hour')
"""


LISTED = """
INSERT INTO kck_publish_listener (name, backend, started_at, seen_at)
VALUES ('alive', %s, clock_timestamp(), clock_timestamp()) RETURNING id
"""


def listed(desk: psycopg.Connection[Any]) -> int:
    """The row of a listener on this connection, which ``beat`` expects."""
    ((listener,),) = sql(LISTED, desk.info.backend_pid)
    return int(listener)


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
        Assignment(desk, {}, None).beat(listed(desk), 0)
        assert lives(session) is spared


def test_a_long_batch_is_not_silent(wait_until: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Else two listeners would take a shard from each other for ever, and nothing be refreshed."""
    for group in range(10):
        Item.objects.create(name=f"n{group}", group=group)
        ItemNames.cached.get(group=group)

    def dawdle(product: str, parameters: Any) -> None:
        if product == "item_names":
            time.sleep(0.5)  # of ten: longer than SILENCE together, and shorter each

    listener = Listener("default", say=lambda line: None)
    with override_settings(KCK_PUBLISH={"SILENCE": 2}), interfering(dawdle):
        running = Session(listener.run)
        wait_until(lambda: listener.announced)
        Item.objects.update(name=Concat("name", Value("x")))
        with another_session() as desk:
            other, number = Assignment(desk, {}, None), listed(desk)

            def all_are_new() -> bool:
                other.beat(number, 0)  # as another listener would
                found = [stored(f"item_names/{group}") for group in range(10)]
                return all(one is not None and b'x"' in (one.body or b"") for one in found)

            wait_until(all_are_new, 20, "the batch is written")
        listener.stop()
        running.result()
    assert "is silent" not in caplog.text
