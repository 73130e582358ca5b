"""Two-phase commits of transactions that have written a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.core.checks import run_checks
from psycopg import IsolationLevel

from example_app.embedded_postgres import EmbeddedPostgres
from tests.acceptance.test_listener_process import Process
from tests.catalog.fixtures import sql, stored
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.faults.conftest import VERSION, listening, migrate, moved_to  # noqa: F401 - fixtures

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def preparing() -> Iterator[EmbeddedPostgres]:
    """A server that lets transactions be prepared."""
    settings = {"max_prepared_transactions": "10", "fsync": "off"}
    with EmbeddedPostgres.start(VERSION, settings) as server:
        migrate(server)
        yield server


def says(amount: int) -> bool:
    entry = stored("item_total/1")
    return entry is not None and f'"amount":{amount}}}'.encode() in (entry.body or b"")


def warnings() -> list[str]:
    return [one.id for one in run_checks(databases=["default"]) if one.id == "kck_publish.W030"]


def test_a_transaction_is_prepared_while_nobody_rings(
    preparing: EmbeddedPostgres,
    moved_to: Callable[..., None],  # noqa: F811
    listening: Callable[..., Process],  # noqa: F811
    settings: Any,
    wait_until: Any,
) -> None:
    """With RING = False the listener polls, and no write has to NOTIFY (C7)."""
    moved_to(preparing)
    assert warnings() != []
    settings.KCK_PUBLISH = {"RING": False}
    assert warnings() == []
    Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    listener = listening(preparing.dsn, RING=False, LINGER=0.01).wait_ready()
    for amount, level in enumerate((IsolationLevel.READ_COMMITTED, IsolationLevel.SERIALIZABLE), 6):
        with psycopg.connect(preparing.dsn) as other:
            other.isolation_level = level
            other.tpc_begin(other.xid(1, f"transaction {amount}", "a branch"))
            other.execute("UPDATE catalog_item SET amount = %s", [amount])
            other.tpc_prepare()
            other.tpc_commit()
        wait_until(lambda amount=amount: says(amount))
    assert sql("SELECT FROM kck_publish_listener WHERE asleep") == []
    assert listener.end() == 0, listener.lines
