"""Listeners and a server that is a standby, or becomes one: they wait until there are writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from example_app.embedded_postgres import EmbeddedPostgres
from tests.acceptance.test_listener_process import Process, drained, total
from tests.catalog.fixtures import sql
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.faults.standby import standby_of

Wait = Callable[..., Any]


def waits(listener: Process) -> int:
    """How often it has said that it waits for a server that takes writes."""
    return sum("takes no writes (ReadOnlySqlTransaction" in line for line in listener.lines)


@pytest.mark.long
def test_a_listener_on_a_standby_waits_until_it_is_promoted(
    restartable: EmbeddedPostgres,
    moved_to: Callable[..., None],
    listening: Callable[..., Process],
    wait_until: Wait,
) -> None:
    """It says so once, and does not end: the service that runs it need not know (C12)."""
    moved_to(restartable)
    sql("TRUNCATE catalog_item CASCADE")
    Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    with standby_of(restartable) as standby:
        standby.catch_up()
        listener = listening(standby.dsn)
        wait_until(lambda: waits(listener) or listener.popen.poll() is not None)
        assert waits(listener), listener.lines
        standby.promote()
        listener.wait_ready()
        moved_to(standby)
        sql("UPDATE catalog_item SET amount = 8")
        wait_until(total(8))
        wait_until(drained)
        assert listener.end() == 0, listener.lines
        assert waits(listener) == 1, listener.lines


@pytest.mark.django_db(transaction=True)
def test_a_server_that_takes_no_writes_any_more(
    process_environment: dict[str, str],
    listening: Callable[..., Process],
    wait_until: Wait,
) -> None:
    """A primary that was demoted ends the sessions, and answers as a standby (C12)."""
    Item.objects.create(name="one", group=1, amount=5)
    ItemTotal.cached.get(group=1)
    listener = listening(process_environment["KCK_TEST_DATABASE"]).wait_ready()
    ((name,),) = sql("SELECT current_database()")
    sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    try:
        sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        wait_until(lambda: waits(listener) or listener.popen.poll() is not None)
        assert waits(listener) == 1, listener.lines
    finally:
        sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    sql("UPDATE catalog_item SET amount = 8")
    wait_until(total(8))
    assert listener.end() == 0, listener.lines
    assert sum("lost" in line for line in listener.lines) == 1, listener.lines
    assert sum("Connected again after" in line for line in listener.lines) == 1, listener.lines
