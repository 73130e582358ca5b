"""Plans that are kept: made while the tables are small, they are still good when these are not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections

from kck_publish import Cache, IntegerParameter, Primer
from kck_publish.listener.listener import Listener
from kck_publish.products import registry
from kck_publish.stores.near import journal
from tests.catalog.fixtures import sql
from tests.catalog.models import Item

pytestmark = pytest.mark.django_db(transaction=True)

# Once in a while the rows of whoever is gone are looked for: no index is worth its cost for that.
PREPARED = (
    """
SELECT name, array_to_string(array_fill('NULL'::text, ARRAY[cardinality(parameter_types)]), ',')
  FROM pg_prepared_statements WHERE name LIKE 'kck%' AND generic_plans > 0
   AND NOT starts_with(statement, $$"""
    + journal._UNMARK
    + """$$)
"""
)
MORE = """
INSERT INTO kck_publish_entry (digest, fingerprint, key, product, bucket, stamp, by)
SELECT gen_random_uuid(), 'f', g::text, 'p', 0, '1:1:', 'hand' FROM generate_series(1, 20000) g
"""
LARGE = "kck_publish_(?:change|entry|copy)"
# A scan of a large table, or of an index of one without a condition, but for an index of few rows.
SCAN = re.compile(
    rf"Seq Scan on {LARGE}.*|"
    rf"Scan using {LARGE}(?!_lazy)\w* on .*(?=\n)(?!\n *Index Cond)"
)


@pytest.fixture
def seen() -> Iterator[list[Any]]:
    """What a compute finds set."""
    seen: list[Any] = []

    class Over(Primer):
        """Computed from another product, which it does not declare."""

        key = "plans_over"
        parameters = (IntegerParameter("group"),)

        def compute(self, group: int) -> object:
            seen.extend(sql("SHOW enable_seqscan"))
            return Cache.get_instance().get(f"item_total/{group}")

    yield seen
    registry.unregister(Over.key)


def plans(session: Any) -> list[str]:
    """The plans that a session keeps for what the library has prepared."""
    found = []
    with session.cursor() as cursor:
        # A plan is kept whatever is set now; one that an ANALYZE has just thrown away is not ours.
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(PREPARED)
        for name, nulls in cursor.fetchall():
            cursor.execute(f"EXPLAIN EXECUTE {name}{nulls and f'({nulls})'}")
            found.append("\n".join(line for (line,) in cursor.fetchall()) + "\n")
    return found


def test_a_batch_reads_by_indexes_whatever_the_tables_were_when_it_was_planned(
    seen: list[Any],
) -> None:
    Item.objects.create(name="one", group=1, amount=0)
    Cache.get_instance().get("plans_over/1")
    with Listener("default", say=lambda line: None).connected() as loop:
        worker = loop.worker  # type: ignore[attr-defined]
        worker.drain()
        sql("VACUUM ANALYZE kck_publish_change, kck_publish_entry")
        for amount in range(60):
            Item.objects.update(amount=amount)
            worker.drain()
            if amount == 12:
                sql(MORE)
        kept = [*plans(connection), *plans(worker.desk)]
    connections["default"].close()
    assert any("kck_publish_change_xid" in plan for plan in kept)
    assert any("Delete on kck_publish_entry" in plan for plan in kept)
    assert set(seen) == {("on",)}
    for plan in kept:
        assert not SCAN.findall(plan), plan
