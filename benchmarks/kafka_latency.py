"""From a commit here to the product in the store of another service, at a steady rate.

Both times are PostgreSQL's own, of two transactions: of the one that changed the row, and of the
one that wrote the entry in the other database (``track_commit_timestamp``).
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

from benchmarks.figures import median, quantile, short
from benchmarks.kafka_world import World

RATE, SECONDS = 200, float(os.environ.get("KCK_BENCH_SECONDS", "10"))
_OURS = """
SELECT "group", extract(epoch FROM pg_xact_commit_timestamp(xmin))::float FROM catalog_item
"""
_THEIRS = """
SELECT split_part(key, '/', 2)::int, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float
  FROM kck_publish_entry WHERE product = 'remote_total' AND convert_from(body, 'UTF8') LIKE '%:7}'
"""


def measure(made: World) -> None:
    """Change the row behind one product after the other, each once, and compare the times."""
    from tests.catalog.models import Item
    from tests.catalog.primers import ItemTotal
    from tests.kafka_processes import rows, second_database

    wanted = int(RATE * SECONDS)
    with second_database(made.server) as there, ExitStack() as stack:
        Item.objects.bulk_create(Item(name=f"i{n}", group=n, amount=1) for n in range(wanted))
        for number in range(wanted):
            ItemTotal.cached.get(group=number)
        ours = made.server.dbname
        for database, command in (
            (ours, ["kck_listen"]),
            (ours, ["kck_relay", "totals"]),
            (there, ["kck_consume", "RemoteTotals"]),
        ):
            stack.enter_context(made.running(database, *command))
        stored = "SELECT count(*) FROM kck_publish_entry WHERE product = 'remote_total'"
        made.until(lambda: rows(made.server, there, stored) == [(wanted,)])
        time.sleep(1.0)  # all of it at rest, as on a quiet day
        begin = time.perf_counter()
        for number in range(wanted):
            time.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
            Item.objects.filter(group=number).update(amount=7)
        took = time.perf_counter() - begin
        made.until(lambda: len(rows(made.server, there, _THEIRS)) == wanted)
        committed = dict(rows(made.server, ours, _OURS))
        consumed = dict(rows(made.server, there, _THEIRS))
    waits = [(consumed[number] - committed[number]) * 1e3 for number in range(wanted)]
    print(
        f"   {wanted:,} changes at {wanted / took:.0f}/s, from the commit to the product in the "
        f"other service's store: p50 {short(median(waits))} ms, p99 {short(quantile(waits, 0.99))} "
        f"ms, load {os.getloadavg()[0]:.1f}"
    )
