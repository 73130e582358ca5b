"""A source that a subscription writes."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from example_app.embedded_postgres import EmbeddedPostgres
from kck_publish.status import status
from tests.faults.conftest import VERSION, migrate, moved_to  # noqa: F401 - a fixture


def test_a_source_that_a_subscription_writes_is_named(
    moved_to: Callable[..., None],  # noqa: F811
) -> None:
    """Its changes fire no statement trigger, so kck_status is unhealthy and says why (B6)."""
    settings = {"wal_level": "logical", "fsync": "off"}
    with EmbeddedPostgres.start(VERSION, settings) as publisher:
        with psycopg.connect(publisher.dsn, autocommit=True) as there:
            there.execute("CREATE TABLE catalog_item (id bigint PRIMARY KEY)")
            there.execute("CREATE PUBLICATION items FOR TABLE catalog_item")
        with EmbeddedPostgres.start(VERSION, settings) as subscriber:
            migrate(subscriber)
            moved_to(subscriber)
            assert status().triggers == []
            with psycopg.connect(subscriber.dsn, autocommit=True) as here:
                here.execute(
                    f"CREATE SUBSCRIPTION items CONNECTION '{publisher.dsn}' PUBLICATION items"
                )
                (problem,) = status().triggers
                assert "catalog_item is written by logical replication" in problem
                here.execute("DROP SUBSCRIPTION items")
            assert status().triggers == []
