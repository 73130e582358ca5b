"""The default store: values in the rows of the entry table. No other server.

A reader asks on its own connection, so that one round trip tells both what is stored and what this
session has written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import psycopg
from django.db import connections

from .. import clock
from ..capture import own_session_writes
from ..conf import settings
from ..postgres import Cursor
from ..round_trip import Answer
from . import table_sql as sql
from .arrays import identities
from .cursor import fetch
from .entry_table import EntryTable
from .types import Address, Fence, Outgoing, Query, Read, Reading, Stored, Written

# The fields that a reader does not ask for: reason, seconds, row, reads, torn.
_UNASKED = ("", 0.0, 0, (), False)

# Of a write of more entries than this the near store is told no versions.
TOLD = 200


class TableStore:
    """Values in ``kck_publish_entry``.

    Args:
        alias: the database in DATABASES.
    """

    transactional = True
    outlives_crash = False
    forgets_soft_expiry = True
    rows_hold_values = True

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.table = EntryTable()

    def read(
        self, addresses: Sequence[Address], wrote: Sequence[str], stamped: bool = False
    ) -> Reading:
        condition, parameters = sql.wanted(addresses)
        connection = connections[self.alias]
        if connection.connection is None:
            connection.ensure_connection()
        writer = own_session_writes.may_have_written(connection.connection)
        query = sql.read(len(wrote), condition, stamped or writer)
        rows = fetch(connection, query, [*wrote, *parameters])
        own = rows[0][0] if rows else None
        if rows and rows[0][1] is None:  # a writer is told of its write, whatever is stored
            rows = []
        if rows and own is not None and not (stamped or writer):  # written without being seen to
            return self.read(addresses, wrote, stamped=True)
        by_key = {address.key: address for address in addresses}
        make = Stored._make  # half the time of Stored()
        entries = {
            row[1]: make((by_key[row[1]], *row[2:5], "", *row[5:], *_UNASKED)) for row in rows
        }
        return Reading(entries, own)

    def as_read(self, stored: Stored) -> Read:
        if not stored.version:  # about to be stored: the table will say the version
            return Read(stored.address, True, None, stored.stamp)
        return Read(stored.address, True, stored.version)

    def is_behind(self, stored: Stored) -> bool:
        return stored.behind

    def look(self, cursor: Cursor, addresses: Sequence[Address]) -> Reading:
        clock.aware(cursor).execute(*self.previous_query(addresses))
        return self.previous_in(cursor.fetchall(), addresses)

    previous = look  # here a value is lost with its row

    def previous_query(self, addresses: Sequence[Address]) -> Query:
        condition, parameters = sql.wanted(addresses)
        return f"SELECT {sql.COLUMNS} FROM kck_publish_entry e WHERE {condition}", parameters

    def previous_in(self, rows: Sequence[Any], addresses: Sequence[Address]) -> Reading:
        by_key = {address.key: address for address in addresses}
        entries = {
            key: Stored(by_key[key], body and bytes(body), shape and bytes(shape), *others)
            for key, body, shape, *others in rows
        }
        return Reading(entries, None)

    def meanwhile(self, cursor: Cursor, addresses: Sequence[Address]) -> dict[str, Stored]:
        return self.look(cursor, addresses).entries

    def lazies(self, rows: Sequence[Any]) -> Iterator[Stored]:
        for key, fingerprint, stamp, by, version in rows:
            yield Stored(Address(key, fingerprint), None, None, stamp, by, version)

    def present(self, cursor: Cursor, addresses: Sequence[Address]) -> set[str]:
        return self.table.present(cursor, addresses)

    def add(self, cursor: Cursor, entries: Sequence[Stored]) -> Sequence[Stored]:
        self.table.add(cursor, entries)
        return entries

    def write_newer(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        cursor.execute(*sql.written(sql.WRITE_LATER, entries))

    def write(self, cursor: Cursor, entries: Iterable[Stored]) -> Written:
        entries = list(entries)
        tells = settings.NEAR is not None and len(entries) <= TOLD
        answer = self.table.write(cursor, entries, tells)
        return partial(_written, answer, entries)

    def adopt(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        cursor.execute(sql.ADOPT, identities([entry.address for entry in entries]))

    def lock_version(self, cursor: Cursor, address: Address) -> int | None:
        return self.table.lock_version(cursor, address)

    def remove(self, cursor: Cursor, addresses: Sequence[Address], stamp: str) -> int:
        cursor.execute(sql.REMOVE, identities(addresses))
        return cursor.rowcount

    def clear(self, cursor: Cursor, product: str | None = None) -> None:
        cursor.execute(sql.CLEAR, [product, product])

    def drop(self, cursor: Cursor, shard: int, shards: int, by_hand: bool = False) -> None:
        self.table.drop(cursor, shard, shards, by_hand)

    # Nothing is outside: a row is the value, the cursor of the log is the fence, and a trigger on
    # the table tells near stores.

    def deliver(self, entries: Sequence[Stored], overwrite: bool = False) -> None:
        pass

    def announce(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        pass

    def send(self, cursor: Cursor, outgoing: Outgoing) -> None:
        pass

    def fence(self, fence: Fence) -> None:
        pass

    def examine(self, desk: psycopg.Connection[Any], level: int = logging.WARNING) -> bool:
        return False  # values go where their database goes

    def foreign(self) -> Query:
        return "false", []  # the shards tell

    def look_again(self) -> None:
        pass

    def sweep(self, cursor: Cursor) -> None:
        pass

    def tell_near(self, cursor: Cursor, keys: Iterable[str]) -> None:
        pass


def _written(answer: object, entries: Sequence[Stored]) -> Sequence[Stored]:
    """The entries with what the table has said of them; Django's cursors keep no answers."""
    by_key = {entry.address.key: entry for entry in entries}
    return [
        by_key[key]._replace(version=version, primed_at=primed_at)
        for key, version, primed_at in (answer.fetchall() if isinstance(answer, Answer) else ())
    ]
