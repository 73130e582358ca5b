"""How many written keys a second one server tells to the followers of near files, all together."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.figures import short
from benchmarks.kafka_world import World

FOLLOWERS, KEYS, SECONDS = 8, 1_000, 3.0


def measure(made: World) -> None:
    """As many followers as use the processors up ask again and again for the last keys."""
    import psycopg

    with psycopg.connect(made.server.dsn, autocommit=True) as desk:
        desk.execute("CREATE UNLOGGED TABLE told AS SELECT 'item_total/' || n AS key, n AS seq "
                     "FROM generate_series(1, 200000) AS n")  # fmt: skip
        desk.execute("CREATE INDEX ON told (seq)")
        desk.execute("ANALYZE told")

    def follow(number: int) -> int:
        rows, end = 0, time.perf_counter() + SECONDS
        with psycopg.connect(made.server.dsn, autocommit=True) as mine:
            while time.perf_counter() < end:
                query = "SELECT key FROM told WHERE seq > %s ORDER BY seq LIMIT %s"
                mine.execute(query, [200_000 - KEYS, KEYS], binary=True)
                rows += KEYS
        return rows

    with ThreadPoolExecutor(FOLLOWERS) as pool:
        rows = sum(pool.map(follow, range(FOLLOWERS)))
    print(f"   One server tells {short(rows / SECONDS)} keys a second to its followers.")
