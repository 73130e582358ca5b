"""Two databases and a broker between them; relay, consumers and broker are stopped at random.

On Tansu, which keeps topics in memory. So changes are counted over SIGKILLs of relay and consumers
and over a broker that is frozen (SIGSTOP); a broker that is killed has lost its topics, and is
given the products again. ``KCK_TEST_KAFKA_CHANGES`` says how many changes (``make soak-kafka``).
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction

from example_app.embedded_postgres import PostgresServer
from tests.catalog.fixtures import sql
from tests.catalog.models import Item
from tests.catalog.primers import ItemTotal
from tests.kafka_app.models import Flight
from tests.kafka_broker import Broker
from tests.kafka_processes import Command, environment, rows, second_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

CHANGES = int(os.environ.get("KCK_TEST_KAFKA_CHANGES", "200"))
KILLS = max(4, CHANGES // 5000)
GROUPS = 5
MIRRORED = "SELECT id, number, delay FROM kafka_app_flight ORDER BY id"


def change(dice: random.Random, number: int) -> int:
    """Commit a few changes in one transaction, or roll them back; how many are committed."""
    committed = 0
    with transaction.atomic():
        for _ in range(dice.randint(1, 5)):
            known = list(Flight.objects.values_list("pk", flat=True)[:50])
            if len(known) < 10 or dice.random() < 0.2:
                Flight.objects.create(number=str(number))
                committed += 1
            elif dice.random() < 0.2:
                committed += Flight.objects.filter(pk=dice.choice(known)).delete()[0]
            else:
                delay = number * 10 + committed
                committed += Flight.objects.filter(pk=dice.choice(known)).update(delay=delay)
        if dice.random() < 0.1:
            transaction.set_rollback(True)
            committed = 0
    return committed


def test_nothing_is_lost_and_nothing_handled_twice(
    postgres_server: PostgresServer, tmp_path: Path, wait_until: Any
) -> None:
    dice = random.Random(7)
    here = str(connections["default"].settings_dict["NAME"])
    for group in range(GROUPS):
        Item.objects.create(name=f"i{group}", group=group)
        ItemTotal.cached.get(group=group)
    broker = Broker()
    broker.make("flights", 3)
    with second_database(postgres_server) as there:
        ours = environment(postgres_server, here, broker, "here")
        theirs = environment(postgres_server, there, broker, "there")
        log = tmp_path / "log"
        # Their copy has what ours had: it begins as empty as their topics.
        rows(postgres_server, there, "TRUNCATE kafka_app_flight, kck_publish_entry CASCADE")
        listener = Command(ours, log, "kck_listen")
        relay = Command(ours, log, "kck_relay", "flights", "totals")
        consumers = [Command(theirs, log, "kck_consume", "Mirror", "Witness", "RemoteTotals")]
        try:
            wait_until(lambda: "kafka:flights" in _followers(), 60)
            committed = number = 0
            kill_at = sorted(dice.sample(range(1, CHANGES), KILLS))
            while committed < CHANGES:
                number += 1
                committed += change(dice, number)
                Item.objects.filter(group=dice.randrange(GROUPS)).update(amount=number)
                if kill_at and committed >= kill_at[0]:
                    kill_at.pop(0)
                    fault = dice.choice([relay.kill, consumers[0].kill, broker.freeze])
                    fault()
                    if fault == broker.freeze:
                        committed += change(dice, number)
                        broker.thaw()

            def equal() -> bool:
                return rows(postgres_server, there, MIRRORED) == sql(MIRRORED)

            wait_until(equal, 120, f"equal rows; {log.read_text()[-3000:]}")
            wait_until(lambda: _distinct(postgres_server, there) >= committed, 120, "all changes")
            _see_that_it_is_exact(postgres_server, there, committed)
            totals = {group: _total(group) for group in range(GROUPS)}
            wait_until(lambda: _their_totals(postgres_server, there) == totals, 60, "equal totals")
            broker.kill()  # its topics are gone
            Item.objects.filter(group=0).update(amount=-1)
            broker.start()
            totals[0] = _total(0)
            wait_until(lambda: _their_totals(postgres_server, there) == totals, 60, "filled again")
            assert [one.end() for one in (listener, relay, *consumers)] == [0, 0, 0]
        finally:
            for one in (listener, relay, *consumers):
                one.end()
            broker.kill()
            connections["default"].close()


def _followers() -> set[str]:
    found = sql("SELECT name FROM kck_publish_consumer WHERE state = 'following'")
    return {name for (name,) in found}


def _distinct(server: PostgresServer, there: str) -> int:
    query = "SELECT count(DISTINCT ident) FROM kafka_app_seen"
    return int(rows(server, there, query)[0][0])


def _see_that_it_is_exact(server: PostgresServer, there: str, committed: int) -> None:
    """Each message was handled once; each change is there; of each key in its order."""
    twice = 'SELECT 1 FROM kafka_app_seen GROUP BY partition, "offset" HAVING count(*) > 1'
    assert rows(server, there, twice) == []
    assert _distinct(server, there) == committed
    first = """
        SELECT key, version FROM (
            SELECT DISTINCT ON (ident) key, version, partition, "offset" FROM kafka_app_seen
             ORDER BY ident, "offset") AS firsts
         ORDER BY key, "offset"
    """
    seen: dict[str, int] = {}
    for key, version in rows(server, there, first):
        assert version > seen.get(key, 0), "out of order"
        seen[key] = version


def _total(group: int) -> Any:
    amounts = list(Item.objects.filter(group=group).values_list("amount", flat=True))
    return {"count": len(amounts), "amount": sum(amounts)}


def _their_totals(server: PostgresServer, there: str) -> dict[int, Any]:
    import json

    query = "SELECT key, convert_from(body, 'UTF8') FROM kck_publish_entry WHERE product = "
    found = rows(server, there, query + "'remote_total'")
    return {int(key.partition("/")[2]): json.loads(body) for key, body in found}
