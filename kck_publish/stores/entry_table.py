"""The table ``kck_publish_entry``: which keys are stored, in which state. Always in PostgreSQL.

Every store holds one, wherever its values are. Statements run on the cursor that they are given, in
the caller's transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from django.db import ProgrammingError
from psycopg.errors import UndefinedTable

from .. import clock
from ..exceptions import StoreMissing
from ..postgres import Cursor
from . import table_sql as sql
from .arrays import array, digests, identities, ordered
from .types import HAND, Address, Query, Stored


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


class EntryTable:
    """The rows of the entries, by key, by product and by shard."""

    # Written.

    def add(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        """Insert the rows that are not there yet; never overwrite."""
        statement, parameters = sql.written(sql.ADD, entries)
        cursor.execute(statement, [*parameters, *sql.room()])

    def write(self, cursor: Cursor, entries: Iterable[Stored], tells: bool = False) -> object:
        """Insert or overwrite these rows; each gets a new version.

        Args:
            tells: whether the answer tells key, version and time of each.
        """
        statement = sql.WRITE_AND_TELL if tells else sql.WRITE
        return cursor.execute(*sql.written(statement, entries))

    def renew(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        """Move the expiries of rows whose values hold as they are."""
        renewed = ordered(entries)
        cursor.execute(
            sql.RENEW,
            [
                *identities([entry.address for entry in renewed]),
                array([entry.stamp for entry in renewed]),
                [entry.soft_expire for entry in renewed],
                [entry.hard_expire for entry in renewed],
            ],
        )

    def take_soft_expiry(self, cursor: Cursor, address: Address) -> bool:
        """Take an entry's soft expiry away; True for the one reader that did."""
        cursor.execute(sql.TAKE_SOFT_EXPIRY, [address.digest, address.fingerprint])
        return bool(cursor.rowcount)

    def lock_version(self, cursor: Cursor, address: Address) -> int | None:
        """The row's version, held still until the transaction ends; None: there is no row."""
        cursor.execute(sql.LOCK_VERSION, [address.digest, address.fingerprint])
        row = cursor.fetchone()
        return None if row is None else int(row[0])

    def locked(self, cursor: Cursor, addresses: Sequence[Address]) -> set[str]:
        """The keys of these whose rows another transaction has locked. In autocommit."""
        condition, parameters = sql.wanted(addresses)
        cursor.execute(f"{sql.KEYS_WHERE} {condition}", parameters)
        there = {key for (key,) in cursor.fetchall()}
        cursor.execute(f"{sql.KEYS_WHERE} {condition} FOR UPDATE SKIP LOCKED", parameters)
        return there - {key for (key,) in cursor.fetchall()}

    def next_version(self, cursor: Cursor) -> int:
        """A version that is later than all before."""
        cursor.execute("SELECT nextval('kck_publish_version')")
        return int(cursor.fetchone()[0])

    def number(self, cursor: Cursor, entry: Stored) -> None:
        """Give a row the version of this entry."""
        address = entry.address
        cursor.execute(sql.NUMBER, [entry.version, address.digest, address.fingerprint])

    # Removed.

    def drop(self, cursor: Cursor, shard: int, shards: int, by_hand: bool = False) -> None:
        """Remove all rows of a shard; those set by hand too, if ``by_hand``."""
        cursor.execute(sql.DROP, [shards, shard, by_hand])

    def clear(self, cursor: Cursor, fingerprint: str, by_hand: bool) -> None:
        """Remove the values that no primer makes; or, if not ``by_hand``, all others.

        Args:
            fingerprint: of the values that no primer makes.
        """
        cursor.execute(sql.CLEAR_BY_HAND, [fingerprint, by_hand])

    def remove_foreign(self, cursor: Cursor, addresses: Sequence[Address]) -> None:
        """Remove what other versions of the code hold of these keys."""
        cursor.execute(sql.REMOVE_FOREIGN, [digests(addresses), *identities(addresses)])

    def remove_foreign_of(self, cursor: Cursor, product: str, fingerprint: str) -> None:
        """Remove what other versions of the code hold of a whole product."""
        cursor.execute(sql.REMOVE_FOREIGN_OF, [product, fingerprint])

    def expire_absent(self, cursor: Cursor, limit: int) -> int:
        """Remove answers that there is none whose time has passed; how many, at most ``limit``."""
        cursor.execute(sql.EXPIRE_ABSENT, [clock.now(), limit])
        return cursor.rowcount

    # Listed.

    def lazy_query(self, shard: int, shards: int) -> Query:
        """Asks what readers have added to a shard; ``Store.lazies`` reads the rows."""
        return sql.LAZY, [shards, shard]

    def any_lazy_query(self, shard: int, shards: int) -> Query:
        """Asks whether readers have added anything to a shard."""
        return f"SELECT EXISTS ({sql.LAZY})", [shards, shard]

    def any_stored(self, cursor: Cursor, product: str) -> bool:
        """Whether anything of a product is stored, by any version of the code, or was read."""
        cursor.execute(sql.ANY_STORED, [product, product])
        return bool(cursor.fetchone()[0])

    def sample(
        self, cursor: Cursor, fingerprints: Sequence[str], count: int
    ) -> list[tuple[str, str]]:
        """Product and key of a few entries that primers made, from a random place on."""
        start = uuid.uuid4()
        cursor.execute(sql.SAMPLE_FROM, [start, list(fingerprints), HAND, count])
        sample: list[tuple[str, str]] = cursor.fetchall()
        if len(sample) < count:  # the end of the key space: on from its beginning
            rest = count - len(sample)
            cursor.execute(sql.SAMPLE_BEFORE, [start, list(fingerprints), HAND, rest])
            sample += cursor.fetchall()
        return sample

    def keys(self, cursor: Cursor, product: str, fingerprint: str) -> list[str]:
        """The keys of a product that are known to be stored."""
        cursor.execute(sql.KEYS, [product, fingerprint])
        return [key for (key,) in cursor.fetchall()]

    def page(
        self, cursor: Cursor, product: str, fingerprint: str, after: uuid.UUID, limit: int
    ) -> list[tuple[uuid.UUID, str]]:
        """Digest and key of a product's next entries, in the order of the digests."""
        cursor.execute(sql.PAGE, [product, fingerprint, after, limit])
        page: list[tuple[uuid.UUID, str]] = cursor.fetchall()
        return page

    def present(self, cursor: Cursor, addresses: Sequence[Address]) -> set[str]:
        """The keys of those of these addresses that have a row."""
        condition, parameters = sql.wanted(addresses)
        cursor.execute(f"{sql.KEYS_WHERE} {condition}", parameters)
        return {key for (key,) in cursor.fetchall()}
