"""The default store: a table of the project's own database. No other server.

Statements run on the connection they are given: the reader's own, so that one round trip tells
both what is stored and what this session has written, or the listener's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db import ProgrammingError, connections
from psycopg.errors import UndefinedTable

from .. import clock
from ..capture import session_writes
from ..exceptions import StoreMissing
from ..log.snapshot import Snapshot
from ..postgres import Cursor
from . import table_sql as sql
from .arrays import identities, ordered
from .cursor import kept_cursor
from .near import reader
from .types import HAND, Address, Fence, Outgoing, Own, Query, Reading, Stored

# What nobody asks for who reads: reason, seconds, row, reads.
_REST = ("", 0.0, 0, ())


@contextmanager
def named_errors(alias: str) -> Iterator[None]:
    """Name the error of a table that is not there.

    Raises:
        StoreMissing: the library is not migrated in this database.
    """
    try:
        yield
    except ProgrammingError as error:
        if isinstance(error.__cause__, UndefinedTable):
            raise StoreMissing("kck_publish_entry", alias) from error
        raise


class PostgresStore:
    """Entries in ``kck_publish_entry``.

    Args:
        alias: the database in DATABASES.
    """

    outside = False

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def read(
        self, addresses: Sequence[Address], wrote: Sequence[str], stamped: bool = False
    ) -> Reading:
        which, parameters = sql.wanted(addresses)
        connection = connections[self.alias]
        with kept_cursor(connection) as cursor:
            stamped = stamped or session_writes.may_have_written(connection.connection)
            cursor.execute(sql.read(len(wrote), which, stamped), [*wrote, *parameters])
            rows = cursor.fetchall()
            own = rows[0][0] if rows else None
            if not rows and wrote:
                cursor.execute(f"SELECT {sql.own(len(wrote))}", wrote)
                own = cursor.fetchone()[0]
        if rows and own is not None and not stamped:  # written without being seen to
            return self.read(addresses, wrote, stamped=True)
        by_key = {address.key: address for address in addresses}
        make = Stored._make  # half the time of Stored()
        entries = {row[1]: make((by_key[row[1]], *row[2:5], "", *row[5:], *_REST)) for row in rows}
        return Reading(entries, own)

    def is_behind(self, stored: Stored) -> bool:
        return stored.behind

    def look(self, cursor: Cursor, addresses: Sequence[Address]) -> Reading:
        """The entries of these addresses with all that is known of them."""
        clock.aware(cursor).execute(*self.before_query(addresses))
        return self.before_of(cursor.fetchall(), addresses)

    before = look  # here a value is lost with its row

    def meanwhile(self, cursor: Cursor, addresses: Sequence[Address]) -> dict[str, Stored]:
        return self.look(cursor, addresses).entries

    def before_query(self, addresses: Sequence[Address]) -> Query:
        """The query of ``before``, for a caller that asks several things at once."""
        which, parameters = sql.wanted(addresses)
        return f"SELECT {sql.COLUMNS} FROM kck_publish_entry e WHERE {which}", parameters

    def before_of(self, rows: Sequence[Any], addresses: Sequence[Address]) -> Reading:
        """What the rows of ``before_query`` say."""
        by_key = {address.key: address for address in addresses}
        entries = {
            key: Stored(
                by_key[key],
                body and bytes(body),
                shape and bytes(shape),
                *others,
            )
            for key, body, shape, *others in rows
        }
        return Reading(entries, None)

    def own(self, xids: Sequence[int], wrote: Sequence[str]) -> Own:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql.DONE, [list(map(str, xids))])
            rows = cursor.fetchall()
            done = [
                (shard, shards, Snapshot.parse(done))
                for _, shard, shards, done, _, put_aside, _ in rows
                if shard is not None and not put_aside
            ]
            own = Own(tuple(xids), bool(rows[0][0]), done, cascading=any(row[4] for row in rows))
            if own.handled and not reader.has_copied(tuple(own.xids), rows[0][6]):
                own = replace(own, copied=False)
            if own.handled:  # so that the next read of this session asks nothing
                cursor.execute(sql.FORGET_OWN, [list(wrote)])
        return own

    def add_with(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        """Keep what is not there yet. In one order always, so that two never deadlock."""
        cursor.execute(sql.ADD, sql.rows(entries))

    def write(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        """Overwrite; each entry gets a new version."""
        cursor.execute(sql.WRITE, sql.rows(entries))

    def write_later(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        """Overwrite those whose stored value is not of a later state."""
        cursor.execute(sql.WRITE + sql.UNLESS_LATER, sql.rows(entries))

    def deliver(self, entries: Sequence[Stored], overwrite: bool = False) -> None:
        pass

    def announce(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        pass

    def send(self, cursor: Cursor, outgoing: Outgoing) -> None:
        pass

    def fence(self, fence: Fence) -> None:
        pass  # the cursor of the log is the fence

    def remove(self, cursor: Cursor, addresses: Sequence[Address], stamp: str) -> int:
        cursor.execute(sql.REMOVE, identities(addresses))
        return int(cursor.rowcount)

    def drop(self, cursor: Cursor, shard: int, shards: int, by_hand: bool = False) -> None:
        """Remove all of a shard, of whichever state; what was set by hand too, if that is said."""
        cursor.execute(sql.DROP, [shards, shard, by_hand])

    def remove_foreign(self, cursor: Cursor, addresses: Sequence[Address]) -> None:
        """Remove what other versions of the code hold of keys that have changed."""
        cursor.execute(sql.REMOVE_FOREIGN, identities(addresses))

    def remove_foreign_of(self, cursor: Cursor, product: str, fingerprint: str) -> None:
        """Remove what other versions of the code hold of a whole product."""
        cursor.execute(
            "DELETE FROM kck_publish_entry WHERE product = %s AND fingerprint <> %s",
            [product, fingerprint],
        )

    def lock_version(self, cursor: Cursor, address: Address) -> int | None:
        """The version that is stored, held still until the transaction ends."""
        cursor.execute(
            "SELECT version FROM kck_publish_entry WHERE digest = %s AND fingerprint = %s "
            "FOR UPDATE",
            [address.digest, address.fingerprint],
        )
        row = cursor.fetchone()
        return None if row is None else int(row[0])

    def clear(self, cursor: Cursor, product: str | None = None) -> None:
        """Remove everything, or all of one product."""
        cursor.execute(
            "DELETE FROM kck_publish_entry WHERE %s::text IS NULL OR product = %s",
            [product, product],
        )

    def sweep(self, cursor: Cursor) -> None:
        pass  # what is announced is stored, here

    def take_soft_expiry(self, cursor: Cursor, address: Address) -> bool:
        """Take an entry's soft expiry away; True for the one reader that did."""
        cursor.execute(
            "UPDATE kck_publish_entry SET soft_expire = NULL WHERE soft_expire IS NOT NULL "
            "AND digest = %s AND fingerprint = %s",
            [address.digest, address.fingerprint],
        )
        return bool(cursor.rowcount)

    def renew(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        """These hold as they are, until a later time."""
        some = ordered(entries)
        cursor.execute(
            sql.RENEW,
            [
                *identities([one.address for one in some]),
                [one.soft_expire for one in some],
                [one.hard_expire for one in some],
            ],
        )

    def lazy_query(self, shard: int, shards: int) -> Query:
        """Asks what readers have added to a shard."""
        return sql.LAZY, [shards, shard]

    def lazies(self, rows: Sequence[Any]) -> Iterable[Stored]:
        """What the rows of ``lazy_query`` say, without bodies."""
        for key, fingerprint, stamp, by, version in rows:
            address = Address(key, fingerprint)
            yield Stored(address, None, None, stamp, by, version)

    def adopt(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        """These hold as they were seen: the listener's from now on, and no longer behind."""
        cursor.execute(sql.ADOPT, identities([one.address for one in entries]))

    def any_stored(self, cursor: Cursor, product: str) -> bool:
        """Whether anything of a product is stored, by any version of the code, or was read."""
        cursor.execute(
            "SELECT EXISTS (SELECT FROM kck_publish_entry WHERE product = %s) "
            "OR EXISTS (SELECT FROM kck_publish_edge WHERE read_product = %s)",
            [product, product],
        )
        return bool(cursor.fetchone()[0])

    def some(
        self, cursor: Cursor, fingerprints: Sequence[str], count: int
    ) -> list[tuple[str, str]]:
        """Product and key of a few entries that primers made, from a random place on."""
        start = uuid.uuid4()
        cursor.execute(sql.SOME.format(way=">="), [start, list(fingerprints), HAND, count])
        found: list[tuple[str, str]] = cursor.fetchall()
        if len(found) < count:  # the end of the key space: on from its beginning
            rest = [start, list(fingerprints), HAND, count - len(found)]
            cursor.execute(sql.SOME.format(way="<"), rest)
            found += cursor.fetchall()
        return found

    def enumerate(self, cursor: Cursor, product: str, fingerprint: str) -> Iterator[str]:
        """The stored keys of a product."""
        cursor.execute(
            "SELECT key FROM kck_publish_entry WHERE product = %s AND fingerprint = %s",
            [product, fingerprint],
        )
        return (row[0] for row in cursor.fetchall())

    def present(self, cursor: Cursor, addresses: Sequence[Address]) -> set[str]:
        """The keys of those of these whose values are really there."""
        which, parameters = sql.wanted(addresses)
        cursor.execute(f"SELECT e.key FROM kck_publish_entry e WHERE {which}", parameters)
        return {key for (key,) in cursor.fetchall()}

    def page(
        self, cursor: Cursor, product: str, fingerprint: str, after: uuid.UUID, limit: int
    ) -> list[tuple[uuid.UUID, str]]:
        """The next stored keys of a product, with their digests, in the order of these."""
        cursor.execute(sql.PAGE, [product, fingerprint, after, limit])
        found: list[tuple[uuid.UUID, str]] = cursor.fetchall()
        return found
