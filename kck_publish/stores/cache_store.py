"""Values in any Django cache: ``STORE = "cache:<alias>"``, with the table as the index.

A row of ``kck_publish_entry`` says that a key is stored; body and shape are in the cache, where
a value carries its own stamp, so that a read asks the cache only, once. What decides (augment,
"unchanged", adopt) is always the value that the cache really has.

The two are written one after the other, and a process may be killed in between:

- The listener writes the cache first, and then the fenced transaction with the rows and the
  cursor. Killed in between, it repeats the batch, and the values' stamps keep augment exactly once.
  What has no row yet is announced before, as by a reader.
- A reader commits its row (``by = 'reader'``) first, then adds to the cache, and then looks at the
  listener's claim. In the other order a reader that is killed leaves a value that no change of the
  *whole* product would find. Killed before it adds, it leaves a row without a value, which each
  batch looks at again (for an hour, then it goes); killed before it looks at the claim, a
  value that the next batch examines by its stamp, as in PostgreSQL: adopted, or primed.
- A removal leaves a tombstone with its state in the cache for an hour, and then deletes the row,
  unless a reader has written it for a later state meanwhile. What a slow reader adds then is older
  than the tombstone, and refused.
- A row of the listener's whose value is gone (evicted, flushed) reads as lost: the next change of
  the key primes it, and so does the next reader.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
from django.db import connections

from .. import search_path
from ..capture import own_session_writes
from ..exceptions import StoreUnreachable
from ..log.snapshot import NOTHING, Snapshot, take
from ..postgres import Cursor
from . import generation, index_sql
from .cache_entries import CacheEntries, chunks, entries_of
from .cache_examination import examine
from .cache_values import REMEMBERED
from .entry_table import EntryTable
from .near import journal
from .types import (
    LISTENER,
    READER,
    UNTOLD,
    Address,
    Fence,
    Outgoing,
    Query,
    Read,
    Reading,
    Stored,
    Written,
)

# How long a reader waits for a value whose row another has just committed, in seconds.
_SOON, _STEP = 0.1, 0.002


class CacheStore:
    """Values in a Django cache, beside the table as the index.

    Args:
        alias: the database in DATABASES.
        cache: the cache in CACHES.
    """

    transactional = False
    outlives_crash = True
    forgets_soft_expiry = False
    rows_hold_values = False

    def __init__(self, alias: str, cache: str) -> None:
        self.alias = alias
        self.table = EntryTable()
        self._cache = cache

    def read(
        self, addresses: Sequence[Address], wrote: Sequence[str], stamped: bool = False
    ) -> Reading:
        return Reading(
            self._get(addresses), own_session_writes.last_write(connections[self.alias], wrote)
        )

    def as_read(self, stored: Stored) -> Read:
        return Read(stored.address, True, None, stored.stamp)  # its row may be of another version

    def is_behind(self, stored: Stored) -> bool:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(*index_sql.behind(stored.address))
            return cursor.fetchone() is not None

    def look(self, cursor: Cursor, addresses: Sequence[Address]) -> Reading:
        entries = self.previous(cursor, addresses).entries
        there = {key: entry for key, entry in entries.items() if entry.stamp != NOTHING}
        return Reading(there, None)

    def previous(self, cursor: Cursor, addresses: Sequence[Address]) -> Reading:
        cursor.execute(*self.previous_query(addresses))
        return self.previous_in(cursor.fetchall(), addresses)

    def previous_query(self, addresses: Sequence[Address]) -> Query:
        return index_sql.rows(addresses)

    def previous_in(self, rows: Sequence[Any], addresses: Sequence[Address]) -> Reading:
        values = self._get(addresses)
        known = {key: row for key, *row in rows}
        entries = {}
        for address in addresses:
            row, value = known.get(address.key), values.get(address.key)
            if value is not None:
                entries[address.key] = value if row is None else _under(value, *row)
            elif row is not None and row[0] != READER:
                entries[address.key] = _lost(address, *row)
        return Reading(entries, None)

    def meanwhile(self, cursor: Cursor, addresses: Sequence[Address]) -> dict[str, Stored]:
        end = time.monotonic() + _SOON
        entries: dict[str, Stored] = {}
        with suppress(StoreUnreachable):
            entries = self._get(addresses)
            while missing := [address for address in addresses if address.key not in entries]:
                cursor.execute(*index_sql.announced(missing))
                if not cursor.fetchall() or time.monotonic() > end:
                    break
                time.sleep(_STEP)
                entries |= self._get(missing)
        return entries

    def lazies(self, rows: Sequence[Any]) -> Iterator[Stored]:
        for chunk in chunks(rows):
            addresses = [Address(key, fingerprint) for key, fingerprint, *_ in chunk]
            # One key may be there under the fingerprints of two versions of the code.
            values = self._entries.get(addresses)
            for address, (_, _, _, _, version) in zip(addresses, chunk, strict=True):
                if (value := values.get(address)) is not None:
                    yield value._replace(body=None, row=version)

    def present(self, cursor: Cursor, addresses: Sequence[Address]) -> set[str]:
        known = self.table.present(cursor, addresses)
        there: set[str] = set()
        for chunk in chunks([address for address in addresses if address.key in known]):
            there |= self._get(chunk).keys()
        return there

    def add(self, cursor: Cursor, entries: Sequence[Stored]) -> Sequence[Stored]:
        if not entries:
            return entries
        cursor.execute(*index_sql.add(entries))
        announced = {digest for (digest,) in cursor.fetchall()}
        return [entry for entry in entries if entry.address.digest in announced]

    write_newer = add  # which of two values is later, the cache compares

    def deliver(self, entries: Sequence[Stored], overwrite: bool = False) -> None:
        with suppress(StoreUnreachable):
            if overwrite:
                self._entries.write_newer(entries)
            else:
                self._entries.add(entries)

    def announce(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        self.table.add(cursor, [_bare(entry)._replace(by=READER) for entry in entries])

    def send(self, cursor: Cursor, outgoing: Outgoing) -> None:
        removals = list(outgoing.removals)
        if outgoing.touched or outgoing.removals:
            cursor.execute(*index_sql.foreign([*outgoing.touched, *outgoing.removals]))
            removals += [Address(*row) for row in cursor.fetchall()]
        for product, fingerprint in outgoing.products:
            cursor.execute(*index_sql.foreign_of(product, fingerprint))
            removals += [Address(*row) for row in cursor.fetchall()]
        if unknown := [entry for entry in outgoing.writes if not entry.row]:
            self.announce(cursor, unknown)
        self._entries.write(outgoing.writes, outgoing.fence)
        self._entries.remove(removals, outgoing.stamp, outgoing.fence)

    def fence(self, fence: Fence) -> None:
        self._entries.fence(fence)

    def write(self, cursor: Cursor, entries: Iterable[Stored]) -> Written:
        self.table.write(cursor, map(_bare, entries))
        return UNTOLD

    def adopt(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        cursor.execute(*index_sql.adopt(entries))

    def lock_version(self, cursor: Cursor, address: Address) -> int | None:
        self.table.lock_version(cursor, address)
        entry = self._entries.get([address]).get(address)
        return None if entry is None else entry.version

    def remove(self, cursor: Cursor, addresses: Sequence[Address], stamp: str) -> int:
        cursor.execute(*index_sql.remove(addresses, stamp))
        return cursor.rowcount

    def clear(self, cursor: Cursor, product: str | None = None) -> None:
        cursor.execute(*index_sql.addresses(product))
        addresses = [Address(*row) for row in cursor.fetchall()]
        stamp = take(cursor)
        for chunk in chunks(addresses):
            self.send(cursor, Outgoing(stamp, removals=chunk))
            self.remove(cursor, chunk, stamp)

    def drop(self, cursor: Cursor, shard: int, shards: int, by_hand: bool = False) -> None:
        cursor.execute(*index_sql.addresses_of_shard(shard, shards, by_hand))
        for chunk in chunks([Address(*row) for row in cursor.fetchall()]):
            self._entries.delete(chunk)
        self.table.drop(cursor, shard, shards, by_hand)

    def examine(self, desk: psycopg.Connection[Any], level: int = logging.WARNING) -> bool:
        drop = partial(self.drop, shard=0, shards=1, by_hand=True)
        return examine(desk, self._cache, self._entries, drop, level)

    def foreign(self) -> Query:
        return generation.foreign(self._cache, self._entries.generation)

    def look_again(self) -> None:
        self._entries.look_again()

    def sweep(self, cursor: Cursor) -> None:
        cursor.execute(*index_sql.orphans(REMEMBERED))
        versions = {Address(key, fingerprint): row for key, fingerprint, row in cursor.fetchall()}
        if not versions:
            return
        there = self._entries.get(versions)
        orphans = [address for address in versions if address not in there]
        # So that a reader who is slower still adds nothing that no row tells of.
        self.send(cursor, Outgoing(take(cursor), removals=orphans))
        cursor.execute(*index_sql.forget(orphans, [versions[orphan] for orphan in orphans]))

    def tell_near(self, cursor: Cursor, keys: Iterable[str]) -> None:
        journal.record(cursor, keys)

    @property
    def _entries(self) -> CacheEntries:
        return entries_of(
            self._cache, search_path.schema(self.alias) or search_path.PUBLIC, self.alias
        )

    def _get(self, addresses: Sequence[Address]) -> dict[str, Stored]:
        return {address.key: entry for address, entry in self._entries.get(addresses).items()}


def _bare(entry: Stored) -> Stored:
    return entry._replace(body=None, shape=None)


def _under(value: Stored, by: str, stamp: str, version: int, behind: bool) -> Stored:
    """The value with what its row says: whether a reader's was adopted, and is it behind."""
    adopted = value.by == READER and by == LISTENER and stamp == value.stamp
    torn = value.by == LISTENER and stamp != value.stamp and _is_later(value, stamp)
    by = LISTENER if adopted else value.by
    return value._replace(by=by, behind=behind, row=version, torn=torn)


def _is_later(value: Stored, stamp: str) -> bool:
    """Whether a value is of a later state than its row."""
    return Snapshot.parse(value.stamp).includes(Snapshot.parse(stamp))


def _lost(address: Address, by: str, stamp: str, version: int, behind: bool) -> Stored:
    """The entry of a row whose value is gone: of no state."""
    return Stored(address, None, None, NOTHING, by, behind=behind, row=version)
