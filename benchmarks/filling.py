"""Rows to measure with, made by the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

COLUMNS = "author_id, slug, title, price, published, pages, updated"
VALUES = """
    mod(g, 400) + 1, 'slug-of-row-' || g, 'The title of row ' || g || ', a long one',
    mod(g, 9000) / 100.0, date '2000-01-01' + mod(g, 9000), mod(g, 700),
    timestamptz '2020-01-01' + g * interval '1 minute'
"""


def fill(
    connection: psycopg.Connection[Any], tables: Sequence[str], rows: int, authors: int = 400
) -> None:
    """Fill tables of the form ``Row``; 400 authors of which each has its share."""
    connection.execute(
        "INSERT INTO benchmarks_author (id, name) "
        "SELECT g, 'Author ' || g FROM generate_series(1, %s) g ON CONFLICT DO NOTHING",
        [authors],
    )
    for table in tables:
        connection.execute(
            f"INSERT INTO benchmarks_{table} ({COLUMNS}) "
            f"SELECT {VALUES} FROM generate_series(1, %s) g",
            [rows],
        )
    forget(connection)
    connection.execute("VACUUM ANALYZE")


def forget(connection: psycopg.Connection[Any]) -> None:
    """Empty the log and the store, as after a load that nobody followed."""
    connection.execute("TRUNCATE kck_publish_change, kck_publish_entry CASCADE")
