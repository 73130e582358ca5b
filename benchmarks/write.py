"""What capture costs those who write: each kind of write on a captured and on a bare table.

Each write runs in a transaction of its own. Nobody listens: what is measured is the trigger and the
log. "no trigger again" shows the noise.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import psycopg

from benchmarks import push_peers
from benchmarks.figures import in_turn, ratio, table, target, timed
from benchmarks.filling import COLUMNS, VALUES, fill
from benchmarks.world import world

ROWS = 20_000
ROUNDS = int(os.environ.get("KCK_BENCH_ROUNDS", "15"))
TABLES = {
    "no trigger": "bare",
    "no trigger again": "baretoo",
    "two columns captured": "captured",
    "whole row watched": "watched",
}
if find_spec("pgpubsub"):  # its triggers on insert and update, with and without its table
    TABLES |= {"django-pgpubsub": "pubsub", "django-pgpubsub, lockable": "lockable"}
Connection = psycopg.Connection[Any]
Write = Callable[[Connection, str], Callable[[], float]]


def main() -> None:
    """Measure and print."""
    os.environ["KCK_BENCH_PEER"] = "push"
    with world("write: ratio to no trigger") as found, found.connect() as connection:
        push_peers.install(connection)
        own = [name for name in TABLES.values() if name not in ("pubsub", "lockable")]
        fill(connection, own, ROWS)
        inserts = {
            "insert 1,000 by bulk_create": _bulk_create,
            "insert 1,000 by executemany": _executemany,
            "insert 1,000 by COPY": _copy,
            "insert 1,000 by INSERT SELECT in the server": _select,
        }
        for name, write in inserts.items():
            _compare(connection, name, write, "<= 1.3", 1.3)
        _compare(connection, "update 10,000 rows by one statement", _update, "<= 2.0", 2.0)
        _compare(connection, "update 1 row (synchronous_commit on)", _single)
        connection.execute("SET synchronous_commit = off")
        _compare(connection, "update 1 row (synchronous_commit off)", _single)


def _compare(
    connection: Connection, name: str, write: Write, wanted: str = "", most: float = 0
) -> None:
    figures = in_turn({label: write(connection, one) for label, one in TABLES.items()}, ROUNDS)
    print(f"   {name}")
    table(figures, "ms", 1e3, "no trigger")
    if wanted:
        measured = ratio(figures["two columns captured"], figures["no trigger"])
        target(name, wanted, measured, met=measured <= most)


def _clean(connection: Connection, name: str, measure: Callable[[], float]) -> Callable[[], float]:
    """The same start for each round: no dead rows, no long log, no checkpoint under way."""

    def run() -> float:
        connection.execute(f"DELETE FROM benchmarks_{name} WHERE id > {ROWS}")
        connection.execute("TRUNCATE kck_publish_change")
        push_peers.forget(connection)
        connection.execute(f"VACUUM ANALYZE benchmarks_{name}")
        connection.execute("CHECKPOINT")
        return measure()

    return run


_next = [ROWS]


def _numbers(count: int) -> range:
    """Row numbers that no row has yet."""
    _next[0] += count
    return range(_next[0] - count + 1, _next[0] + 1)


def _row(g: int) -> dict[str, Any]:
    from datetime import UTC, date, datetime, timedelta
    from decimal import Decimal

    return {
        "author_id": g % 400 + 1,
        "slug": f"slug-of-row-{g}",
        "title": f"The title of row {g}, a long one",
        "price": Decimal(g % 9000) / 100,
        "published": date(2000, 1, 1) + timedelta(g % 9000),
        "pages": g % 700,
        "updated": datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=g),
    }


def _bulk_create(connection: Connection, name: str) -> Callable[[], float]:
    from django.apps import apps

    wanted = f"benchmarks_{name}"
    model = next(one for one in apps.get_models() if one._meta.db_table == wanted)

    def run() -> float:
        rows = [model(**_row(g)) for g in _numbers(1000)]
        return timed(partial(model._default_manager.bulk_create, rows))()

    return _clean(connection, name, run)


def _executemany(connection: Connection, name: str) -> Callable[[], float]:
    statement = f"INSERT INTO benchmarks_{name} ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s)"

    def run() -> float:
        rows = [tuple(_row(g).values()) for g in _numbers(1000)]

        def write() -> None:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(statement, rows)

        return timed(write)()

    return _clean(connection, name, run)


def _copy(connection: Connection, name: str) -> Callable[[], float]:
    def run() -> float:
        rows = [tuple(_row(g).values()) for g in _numbers(1000)]

        def write() -> None:
            with (
                connection.cursor() as cursor,
                cursor.copy(f"COPY benchmarks_{name} ({COLUMNS}) FROM STDIN") as copy,
            ):
                for row in rows:
                    copy.write_row(row)

        return timed(write)()

    return _clean(connection, name, run)


def _select(connection: Connection, name: str) -> Callable[[], float]:
    statement = f"INSERT INTO benchmarks_{name} ({COLUMNS}) SELECT {VALUES} FROM "

    def run() -> float:
        some = _numbers(1000)
        series = f"generate_series({some.start}, {some.stop - 1}) g"
        return timed(lambda: connection.execute(statement + series))()

    return _clean(connection, name, run)


def _update(connection: Connection, name: str) -> Callable[[], float]:
    statement = f"UPDATE benchmarks_{name} SET price = price + 0.01 WHERE id <= 10000"
    return _clean(connection, name, timed(lambda: connection.execute(statement)))


def _single(connection: Connection, name: str) -> Callable[[], float]:
    statement = f"UPDATE benchmarks_{name} SET price = price + 0.01 WHERE id = %s"
    numbers = iter(range(1, 10**9))

    def write() -> None:
        connection.execute(statement, [next(numbers) % ROWS + 1])

    return _clean(connection, name, timed(write, times=300))


if __name__ == "__main__":
    main()
