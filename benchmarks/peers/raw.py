"""The sockets themselves: psycopg with prepared statements and binary rows, and redis-py.

psycopg gives the table's rows as tuples, without an instance; Redis gives bytes, and its rows are
decoded by orjson and built as the floor's are (see ``floor``).
"""

from __future__ import annotations

import os
from typing import Any

import orjson
import psycopg

from benchmarks.peers import BYTES, DECODED, HUNDRED, MANY, ONE, PAGE, PKS, Contestants, some
from benchmarks.peers.rows import dump, load, stored
from benchmarks.primers import AuthorPage

SQL, SERVER = "raw psycopg, prepared (tuples)", "raw Redis, orjson"


def contestants() -> Contestants:
    """What is measured."""
    import redis

    sql = psycopg.connect(os.environ["KCK_BENCH_DATABASE"], autocommit=True, prepare_threshold=0)
    server: Any = redis.Redis.from_url(f"{os.environ['KCK_BENCH_REDIS']}/4")
    server.mset({f"book/{pk}": dump(row) for pk, row in stored({*PKS, *HUNDRED}).items()})
    page = orjson.dumps(AuthorPage().compute(author=PAGE))
    server.set("page", page)
    sql.execute("CREATE TABLE IF NOT EXISTS raw_page (id int PRIMARY KEY, body bytea)")
    sql.execute("INSERT INTO raw_page VALUES (%s, %s) ON CONFLICT DO NOTHING", [PAGE, page])
    pk, many = some(), [f"book/{pk}" for pk in HUNDRED]

    def run(query: str, value: object) -> list[Any]:
        return sql.execute(query, [value], binary=True).fetchall()

    one_row = "SELECT * FROM benchmarks_book WHERE id = %s"
    rows = "SELECT * FROM benchmarks_book WHERE id = ANY (%s)"
    text = "SELECT body FROM raw_page WHERE id = %s"
    return {
        ONE: {
            SQL: lambda: run(one_row, pk()),
            SERVER: lambda: load(server.get(f"book/{pk()}")),
        },
        MANY: {
            SQL: lambda: run(rows, HUNDRED),
            SERVER: lambda: [load(one) for one in server.mget(many)],
        },
        BYTES: {SQL: lambda: run(text, PAGE), SERVER: lambda: server.get("page")},
        DECODED: {
            SQL: lambda: orjson.loads(run(text, PAGE)[0][0]),
            SERVER: lambda: orjson.loads(server.get("page")),
        },
    }
