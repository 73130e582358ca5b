"""A listener goes past a pooler, and leaves nothing in its sessions."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, connections

from example_app.embedded_postgres import PostgresServer
from kck_publish.exceptions import ConfigurationError
from kck_publish.listener.listener import Listener
from kck_publish.postgres import connect
from tests.catalog.fixtures import sql
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal

pytestmark = pytest.mark.django_db(transaction=True)
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"


def leaves_nothing() -> bool:
    return (sql("SHOW synchronous_commit"), sql(LOCKS)) == ([("on",)], [(0,)])


def test_a_listener_does_not_start_behind_a_pooler(pooled: int) -> None:
    """A pooler is refused by name, and nothing is set in its sessions (B3)."""
    with pytest.raises(ConfigurationError, match=f"A pooler .* at 127.0.0.1:{pooled}.*DIRECT"):
        Listener("default").once()
    assert leaves_nothing()


@pytest.mark.parametrize("direct", ["alias", "string"])
def test_all_of_its_connections_go_direct(
    direct: str, shared_session: int, postgres_server: PostgresServer, settings: Any
) -> None:
    """The listener's own connections, and the one that it computes on (B3)."""
    pooled = dict(connection.settings_dict)
    name = str(pooled["NAME"])
    if direct == "alias":
        connections.settings["direct"] = pooled | postgres_server.database_settings(name)
    settings.KCK_PUBLISH = {
        "DIRECT": "direct" if direct == "alias" else postgres_server.dsn_of(name)
    }
    try:
        Item.objects.create(name="one", group=1, amount=5)
        assert ItemTotal.cached.get(group=1)["amount"] == 5
        Item.objects.update(amount=8)
        with Listener("default").working() as worker:
            assert connection.settings_dict["PORT"] != pooled["PORT"]
            worker.take_shards()
            worker.drain()
        assert connection.settings_dict == pooled
        assert ItemTotal.cached.get(group=1)["amount"] == 8
        assert leaves_nothing()
        with connect("default") as own:
            assert own.info.parameter_status("application_name") == "kck_publish"
    finally:
        connections.settings.pop("direct", None)
