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

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from django.db import connections

from ..capture import session_writes
from ..exceptions import StoreUnreachable
from ..log.snapshot import NOTHING, take
from ..postgres import Cursor
from . import index_sql
from .cache_values import REMEMBERED, Frame, Values, values_in
from .frame import frame, tombstone, unframe
from .reachability import Reach
from .table_store import PostgresStore
from .types import LISTENER, READER, Address, Fence, Outgoing, Query, Reading, Stored

# How many values go over the wire at once.
CHUNK = 500
# How long a reader waits for a value whose row another has just committed, in seconds.
_SOON, _STEP = 0.1, 0.002


class CacheStore(PostgresStore):
    """Values in a Django cache; the table, as the index, is inherited.

    Args:
        alias: the database in DATABASES.
        cache: the cache in CACHES.
    """

    outside = True

    def __init__(self, alias: str, cache: str) -> None:
        super().__init__(alias)
        self._cache = cache
        self._reach = Reach(cache)

    def read(
        self, addresses: Sequence[Address], wrote: Sequence[str], stamped: bool = False
    ) -> Reading:
        return Reading(
            self._get(addresses), session_writes.last_write(connections[self.alias], wrote)
        )

    def is_behind(self, stored: Stored) -> bool:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(*index_sql.behind(stored.address))
            return cursor.fetchone() is not None

    def look(self, cursor: Cursor, addresses: Sequence[Address]) -> Reading:
        entries = self.before(cursor, addresses).entries
        return Reading({key: one for key, one in entries.items() if one.stamp != NOTHING}, None)

    def before(self, cursor: Cursor, addresses: Sequence[Address]) -> Reading:
        cursor.execute(*self.before_query(addresses))
        return self.before_of(cursor.fetchall(), addresses)

    def before_query(self, addresses: Sequence[Address]) -> Query:
        return index_sql.rows(addresses)

    def before_of(self, rows: Sequence[Any], addresses: Sequence[Address]) -> Reading:
        values = self._get(addresses)
        known = {key: row for key, *row in rows}
        entries = {}
        for address in addresses:
            row, value = known.get(address.key), values.get(address.key)
            if value is not None:
                entries[address.key] = value if row is None else _under(value, *row)
            elif row is not None and row[0] != READER:
                by, _, version, behind = row
                entries[address.key] = Stored(
                    address,
                    None,
                    None,
                    NOTHING,
                    by,
                    behind=behind,
                    row=version,
                )
        return Reading(entries, None)

    def meanwhile(self, cursor: Cursor, addresses: Sequence[Address]) -> dict[str, Stored]:
        end = time.monotonic() + _SOON
        found: dict[str, Stored] = {}
        with suppress(StoreUnreachable):
            found = self._get(addresses)
            while missing := [one for one in addresses if one.key not in found]:
                cursor.execute(*index_sql.announced(missing))
                if not cursor.fetchall() or time.monotonic() > end:
                    break
                time.sleep(_STEP)
                found |= self._get(missing)
        return found

    def add_with(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        cursor.execute(*index_sql.add(entries))

    write_later = add_with

    def deliver(self, entries: Sequence[Stored], overwrite: bool = False) -> None:
        frames = {_name(one.address): Frame(frame(one), one.stamp) for one in entries}
        with suppress(StoreUnreachable), self._reaching() as values:
            if overwrite:
                values.write(frames, None, later=True)
            else:
                values.add(frames)

    def announce(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        super().add_with(cursor, [_bare(one)._replace(by=READER) for one in entries])

    def send(self, cursor: Cursor, outgoing: Outgoing) -> None:
        removals = list(outgoing.removals)
        if outgoing.touched or outgoing.removals:
            cursor.execute(*index_sql.foreign([*outgoing.touched, *outgoing.removals]))
            removals += [Address(*row) for row in cursor.fetchall()]
        for product, fingerprint in outgoing.products:
            cursor.execute(*index_sql.foreign_of(product, fingerprint))
            removals += [Address(*row) for row in cursor.fetchall()]
        if unknown := [one for one in outgoing.writes if not one.row]:
            self.announce(cursor, unknown)
        gone = Frame(tombstone(outgoing.stamp), outgoing.stamp, REMEMBERED)
        for writes in _chunks(outgoing.writes):
            self._write(
                {_name(one.address): Frame(frame(one), one.stamp) for one in writes}, outgoing.fence
            )
        for some in _chunks(removals):
            self._write(dict.fromkeys(map(_name, some), gone), outgoing.fence)

    def fence(self, fence: Fence) -> None:
        self._write({}, fence)

    def write(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        super().write(cursor, [_bare(one) for one in entries])

    def remove(self, cursor: Cursor, addresses: Sequence[Address], stamp: str) -> int:
        cursor.execute(*index_sql.remove(addresses, stamp))
        return int(cursor.rowcount)

    def lock_version(self, cursor: Cursor, address: Address) -> int | None:
        super().lock_version(cursor, address)
        entry = self._get([address]).get(address.key)
        return None if entry is None else entry.version

    def clear(self, cursor: Cursor, product: str | None = None) -> None:
        cursor.execute(*index_sql.addresses(product))
        addresses = [Address(*row) for row in cursor.fetchall()]
        stamp = take(cursor)
        for some in _chunks(addresses):
            self.send(cursor, Outgoing(stamp, removals=some))
            self.remove(cursor, some, stamp)

    def drop(self, cursor: Cursor, shard: int, shards: int, by_hand: bool = False) -> None:
        cursor.execute(*index_sql.addresses_of_shard(shard, shards, by_hand))
        for some in _chunks([Address(*row) for row in cursor.fetchall()]):
            with self._reaching() as values:
                values.delete(map(_name, some))
        super().drop(cursor, shard, shards, by_hand)

    def sweep(self, cursor: Cursor) -> None:
        cursor.execute(*index_sql.orphans(REMEMBERED))
        versions = {Address(key, fingerprint): row for key, fingerprint, row in cursor.fetchall()}
        if not versions:
            return
        there = self._values_of(list(versions))
        orphans = [address for address in versions if address not in there]
        # So that a reader who is slower still adds nothing that no row tells of.
        self.send(cursor, Outgoing(take(cursor), removals=orphans))
        cursor.execute(*index_sql.forget(orphans, [versions[one] for one in orphans]))

    def lazies(self, rows: Sequence[Any]) -> Iterable[Stored]:
        for some in _chunks(rows):
            addresses = [Address(key, fingerprint) for key, fingerprint, *_ in some]
            # One key may be there under the fingerprints of two versions of the code.
            values = self._values_of(addresses)
            for address, (_, _, _, _, version) in zip(addresses, some, strict=True):
                if (value := values.get(address)) is not None:
                    yield value._replace(body=None, row=version)

    def adopt(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        cursor.execute(*index_sql.adopt(entries))

    def present(self, cursor: Cursor, addresses: Sequence[Address]) -> set[str]:
        known = super().present(cursor, addresses)
        found: set[str] = set()
        for some in _chunks([one for one in addresses if one.key in known]):
            found |= self._get(some).keys()
        return found

    def _get(self, addresses: Sequence[Address]) -> dict[str, Stored]:
        return {address.key: one for address, one in self._values_of(addresses).items()}

    def _values_of(self, addresses: Sequence[Address]) -> dict[Address, Stored]:
        names = {_name(address): address for address in addresses}
        with self._reaching() as values:
            data = values.get(names)
        found = {names[name]: unframe(names[name], one) for name, one in data.items()}
        return {address: one for address, one in found.items() if one is not None}

    def _write(self, frames: dict[str, Frame], fence: Fence | None) -> None:
        with self._reaching() as values:
            values.write(frames, fence, later=False)

    @contextmanager
    def _reaching(self) -> Iterator[Values]:
        values = values_in(self._cache)
        with self._reach.reaching(values.prove):
            yield values


def _name(address: Address) -> str:
    """Never the key itself: servers limit its length and its characters."""
    return f"kck1:{address.hex}:{address.fingerprint}"


def _bare(entry: Stored) -> Stored:
    return entry._replace(body=None, shape=None)


def _under(value: Stored, by: str, stamp: str, version: int, behind: bool) -> Stored:
    """The value with what its row says: whether a reader's was adopted, and is it behind."""
    adopted = value.by == READER and by == LISTENER and stamp == value.stamp
    return value._replace(by=LISTENER if adopted else value.by, behind=behind, row=version)


def _chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
