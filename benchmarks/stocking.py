"""Entries made by the library's own code, many and fast: what the listener would have stored."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import psycopg
from psycopg import sql

CHUNK = 2_000
PRODUCT, TABLE = "benchmarks.leaflet", "benchmarks_leaflet"
COLUMNS = (
    "digest",
    "fingerprint",
    "key",
    "product",
    "bucket",
    "body",
    "shape",
    "stamp",
    "by",
)


def entries(connection: psycopg.Connection[Any]) -> Iterator[list[Any]]:
    """The entries of all leaflets, some at a time, as of now."""
    from benchmarks.models import Leaflet
    from kck_publish.products import registry
    from kck_publish.products.product import Computed
    from kck_publish.reading.entries import entry_of
    from kck_publish.stores import LISTENER

    product = registry.graph().products[PRODUCT]
    names = [one.attname for one in Leaflet._meta.concrete_fields]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    with connection.transaction(), connection.cursor(name="leaflets") as cursor:
        cursor.itersize = CHUNK
        (stamp,) = connection.execute("SELECT pg_current_snapshot()::text").fetchone() or ("",)
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(columns, sql.Identifier(TABLE)))
        while rows := list(islice(cursor, CHUNK)):
            made = (Leaflet.from_db("default", names, row) for row in rows)
            yield [
                entry_of(product, f"{PRODUCT}/{one.pk}", Computed(one), stamp, LISTENER, "stocked")
                for one in made
            ]


def stock(reading: psycopg.Connection[Any], writing: psycopg.Connection[Any]) -> None:
    """Store the entries of all leaflets, by COPY."""
    columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    into = sql.SQL("COPY kck_publish_entry ({}) FROM STDIN").format(columns)
    with writing.cursor() as cursor, cursor.copy(into) as copy:
        for some in entries(reading):
            for one in some:
                address = one.address
                copy.write_row(
                    [
                        address.digest,
                        address.fingerprint,
                        address.key,
                        PRODUCT,
                        address.bucket,
                        one.body,
                        one.shape,
                        one.stamp,
                        one.by,
                    ]
                )
