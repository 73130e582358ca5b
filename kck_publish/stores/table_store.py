"""The default store: values in the rows of the entry table. No other server.

A reader asks on its own connection, so that one round trip tells both what is stored and what this
session has written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connections

from .. import clock
from ..capture import session_writes
from ..postgres import Cursor
from . import table_sql as sql
from .arrays import identities
from .cursor import kept_cursor
from .entry_table import EntryTable
from .types import Address, Fence, Outgoing, Query, Read, Reading, Stored

# The fields that a reader does not ask for: reason, seconds, row, reads.
_UNASKED = ("", 0.0, 0, ())


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
        with kept_cursor(connection) as cursor:
            stamped = stamped or session_writes.may_have_written(connection.connection)
            cursor.execute(sql.read(len(wrote), condition, stamped), [*wrote, *parameters])
            rows = cursor.fetchall()
            own = rows[0][0] if rows else None
            if not rows and wrote:
                cursor.execute(f"SELECT {sql.own(len(wrote))}", wrote)
                own = cursor.fetchone()[0]
        if rows and own is not None and not stamped:  # written without being seen to
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
        clock.aware(cursor).execute(*self.before_query(addresses))
        return self.before_of(cursor.fetchall(), addresses)

    before = look  # here a value is lost with its row

    def before_query(self, addresses: Sequence[Address]) -> Query:
        condition, parameters = sql.wanted(addresses)
        return f"SELECT {sql.COLUMNS} FROM kck_publish_entry e WHERE {condition}", parameters

    def before_of(self, rows: Sequence[Any], addresses: Sequence[Address]) -> Reading:
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

    def add_with(self, cursor: Cursor, entries: Sequence[Stored]) -> Sequence[Stored]:
        self.table.add(cursor, entries)
        return entries

    def write_later(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        cursor.execute(sql.WRITE_LATER, sql.rows(entries))

    def write(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        self.table.write(cursor, entries)

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

    def sweep(self, cursor: Cursor) -> None:
        pass

    def tell_near(self, cursor: Cursor, keys: Iterable[str]) -> None:
        pass
