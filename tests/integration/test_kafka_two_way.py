"""Two databases that follow each other: rows changed on both sides end equal, no echo. On Tansu.

``KCK_TEST_KAFKA_ROWS`` says how many rows; 10,000 with ``make soak-kafka``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from example_app.embedded_postgres import PostgresServer
from tests.catalog.fixtures import sql
from tests.kafka_broker import Broker
from tests.kafka_processes import Command, environment, rows, second_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

ROWS = int(os.environ.get("KCK_TEST_KAFKA_ROWS", "200"))
ALL = "SELECT id, text, version, side FROM kafka_app_synced ORDER BY id"


@pytest.mark.long
def test_a_two_way_sync_comes_to_rest(
    postgres_server: PostgresServer, tmp_path: Path, wait_until: Any
) -> None:
    """Fault l: what was consumed is not sent, so each change is one message."""
    here = str(connections["default"].settings_dict["NAME"])
    broker = Broker()
    for side in ("here", "there"):
        broker.make(f"synced_{side}", 3)
    with second_database(postgres_server) as there:
        sides = {"here": here, "there": there}
        log, commands = tmp_path / "log", []
        for side, name in sides.items():
            variables = environment(postgres_server, name, broker, side)
            commands.append(Command(variables, log, "kck_relay", f"synced_{side}"))
            commands.append(Command(variables, log, "kck_consume", "SyncedThere"))
        try:
            following = "SELECT name FROM kck_publish_consumer WHERE state = 'following'"
            for side, name in sides.items():
                wait_until(
                    lambda n=name, s=side: (
                        (f"kafka:synced_{s}",) in rows(postgres_server, n, following)
                    ),
                    60,
                    f"following; {log.read_text()[-2000:]}",
                )
            insert = (
                "INSERT INTO kafka_app_synced (id, text, version, side) "
                f"SELECT n, '', 1, 'here' FROM generate_series(1, {ROWS}) AS n"
            )
            rows(postgres_server, here, insert)
            wait_until(lambda: len(rows(postgres_server, there, ALL)) == ROWS, 60)
            for side, name in sides.items():  # both change all rows at the same time
                change = (
                    f"UPDATE kafka_app_synced SET text = '{side}', version = version + 1, "
                    f"side = '{side}'"
                )
                rows(postgres_server, name, change)

            def settled() -> bool:
                left, right = (rows(postgres_server, name, ALL) for name in (here, there))
                return left == right and {row[3] for row in left} == {"there"}

            wait_until(settled, 60, f"equal; {log.read_text()[-3000:]}")
            sent = {side: len(broker.read(f"synced_{side}", 20)) for side in sides}
            # The insert and the update of here, and the update of there: no message came back.
            assert sent == {"here": 2 * ROWS, "there": ROWS}
            suppressed = sql("SELECT sum(suppressed) FROM kck_publish_kafka_relay")[0][0]
            assert suppressed == ROWS  # what the update from there has changed here
        finally:
            for one in commands:
                one.end()
            broker.kill()
            connections["default"].close()
