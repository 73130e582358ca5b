"""The interface of every store: entries by key and fingerprint, and their last writer.

A store never expires a value by itself. The listener writes; readers only ``add``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import psycopg

from ..postgres import Cursor
from .entry_table import EntryTable
from .types import Address, Fence, Outgoing, Query, Read, Reading, Stored, Written


class Store(Protocol):
    """A place for values, shared by all processes.

    ``table`` always tells *what* is stored; where the values themselves are is the store's affair.
    Methods with a cursor work in the caller's transaction, on the table. ``deliver``, ``send``,
    ``fence``, ``announce`` and ``sweep`` are for values outside the database, and have nothing to
    do where there are none.

    Attributes:
        alias: the database in DATABASES.
        table: the rows of the entries.
        transactional: a value commits and rolls back with the caller's transaction.
        outlives_crash: a value survives a crash of the database that takes back its row.
        forgets_soft_expiry: what ``table.take_soft_expiry`` takes away is gone for every reader.
        rows_hold_values: ``previous_in`` asks nothing beyond the rows that it is given.
    """

    alias: str
    table: EntryTable
    transactional: bool
    outlives_crash: bool
    forgets_soft_expiry: bool
    rows_hold_values: bool

    # Read.

    def read(
        self, addresses: Sequence[Address], wrote: Sequence[str], stamped: bool = False
    ) -> Reading:
        """The entries of these addresses, for a reader, in one round trip.

        Args:
            wrote: session settings that tell of the reader's own last write.
            stamped: whether the stamps are wanted even where the session wrote nothing.

        Raises:
            StoreUnreachable, DatabaseError: it cannot be read.
        """

    def as_read(self, stored: Stored) -> Read:
        """The note of a compute that was given this entry."""

    def is_behind(self, stored: Stored) -> bool:
        """Whether the last refresh of what was read has failed."""

    def look(self, cursor: Cursor, addresses: Sequence[Address]) -> Reading:
        """The entries of these addresses, with all that is known of them."""

    def previous(self, cursor: Cursor, addresses: Sequence[Address]) -> Reading:
        """As ``look``; in place of a lost value, an empty entry of no state."""

    def previous_query(self, addresses: Sequence[Address]) -> Query:
        """The query of ``previous``, for a caller that asks several things at once."""

    def previous_in(self, rows: Sequence[Any], addresses: Sequence[Address]) -> Reading:
        """The entries that the rows of ``previous_query`` hold."""

    def meanwhile(self, cursor: Cursor, addresses: Sequence[Address]) -> dict[str, Stored]:
        """The entries that others have stored, or are just storing, since these were missed."""

    def lazies(self, rows: Sequence[Any]) -> Iterable[Stored]:
        """The entries in the rows of ``table.lazy_query``; bodies may be left out."""

    def present(self, cursor: Cursor, addresses: Sequence[Address]) -> set[str]:
        """The keys of those of these addresses whose values are really there."""

    # Written by a reader that primes.

    def add(self, cursor: Cursor, entries: Sequence[Stored]) -> Sequence[Stored]:
        """Keep those that are not there yet; never overwrite. Then commit, then ``deliver``.

        Returns:
            those to deliver: no more answers that there is none than ABSENCES are kept.
        """

    def write_newer(self, cursor: Cursor, entries: Sequence[Stored]) -> object:
        """Overwrite what is of no later state. Then commit, then ``deliver``."""

    def deliver(self, entries: Sequence[Stored], overwrite: bool = False) -> None:
        """The second half of ``add``, or of ``write_newer``. Never fails."""

    # Written by the listener, and by ``cache.set``.

    def announce(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        """Make known, before it is, that something will be stored here."""

    def send(self, cursor: Cursor, outgoing: Outgoing) -> None:
        """Change what is outside; before the transaction that says so.

        Raises:
            StoreUnreachable: some of it may have been done, and can be repeated.
            Fenced: the shard has moved.
        """

    def fence(self, fence: Fence) -> None:
        """From now on no worker of an earlier epoch may write."""

    def examine(self, desk: psycopg.Connection[Any], level: int = logging.WARNING) -> bool:
        """See that the values are of this database's past, and not of another future of it.

        Args:
            desk: the listener's own connection, in autocommit.
            level: at which the log is told that the store was begun anew.

        Returns:
            whether the store was begun anew: nothing of before is there any more.

        Raises:
            StoreUnreachable: it cannot be asked.
        """

    def write(self, cursor: Cursor, entries: Iterable[Stored]) -> Written:
        """Keep these, overwriting; each gets a new version."""

    def adopt(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        """These hold as they were seen: the listener's from now on, and no longer behind."""

    def lock_version(self, cursor: Cursor, address: Address) -> int | None:
        """The version that is stored, held still until the transaction ends."""

    def remove(self, cursor: Cursor, addresses: Sequence[Address], stamp: str) -> int:
        """Remove these, as of a state; the number that were there."""

    def clear(self, cursor: Cursor, product: str | None = None) -> None:
        """Remove everything, or all of one product."""

    def drop(self, cursor: Cursor, shard: int, shards: int, by_hand: bool = False) -> None:
        """Remove all of a shard, of whichever state; those set by hand too, if ``by_hand``."""

    def foreign(self) -> Query:
        """An expression: whether what readers are given may be of another future of the database.

        Beside what the shards tell.
        """

    def look_again(self) -> None:
        """Trust nothing that this process knows of the store as a whole."""

    def sweep(self, cursor: Cursor) -> None:
        """Forget what readers have announced and never stored."""

    def tell_near(self, cursor: Cursor, keys: Iterable[str]) -> None:
        """Tell near stores of values that may have changed without a change of their rows."""
