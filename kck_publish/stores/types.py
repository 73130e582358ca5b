"""What every store gives: entries by key and fingerprint, and who wrote them last.

A store never expires a value by itself. The listener writes; readers only ``add``. The default is
``table_store``; ``cache_store`` is any cache of CACHES.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from ..log import keys
from ..log.snapshot import Snapshot
from ..postgres import Cursor

# A statement and its parameters.
Query = tuple[str, list[Any]]

# Who wrote an entry.
READER, LISTENER, HAND = "reader", "listener", "hand"


class Address(NamedTuple):
    """Where the value of a key is kept: neither of two versions of the code sees the other's."""

    key: str
    fingerprint: str

    @property
    def hex(self) -> str:
        """The key's digest, as 32 hexadecimal digits: what a read asks for."""
        return keys.identify(self.key)

    @property
    def digest(self) -> uuid.UUID:
        """The key's digest."""
        return uuid.UUID(int=int(keys.identify(self.key), 16))

    @property
    def bucket(self) -> int:
        """The key's place in the key space; its shard is this modulo the number of shards."""
        return keys.bucket_of(self.key)


class Read(NamedTuple):
    """A key that a compute has read.

    Attributes:
        stored: whether it was stored; else it was computed.
        version: of what was stored; None where only the state tells.
        stamp: the state that it was read in; None for that of the reading compute.
    """

    address: Address
    stored: bool = False
    version: int | None = None
    stamp: str | None = None


class Stored(NamedTuple):
    """One entry as it is stored. ``body`` is None for the answer that there is none."""

    address: Address
    body: bytes | None
    shape: bytes | None
    stamp: str
    by: str
    version: int = 0
    primed_at: datetime | None = None
    soft_expire: datetime | None = None
    hard_expire: datetime | None = None
    behind: bool = False
    # The products that it was computed from without declaring them, with "|" between.
    over: str | None = None
    reason: str = ""
    seconds: float = 0.0
    row: int = 0  # the version of its row in the table, where that is another one
    reads: Sequence[Read] = ()  # the keys that ``over`` stands for; known to who has computed it

    @property
    def product(self) -> str:
        """The name of the product that it is of."""
        return keys.product_of(self.address.key)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the store gave.

    Attributes:
        entries: what is stored, by key.
        own: the last transaction of this session that wrote under what was asked for, until
            the session's own knowledge is overtaken; None when it wrote nothing.
    """

    entries: dict[str, Stored]
    own: int | None


@dataclass(frozen=True, slots=True)
class Own:
    """What is known of the reader's own last writes: one of each session that it wrote in.

    Attributes:
        xids: the transactions. Of a session the last one stands for all before it.
        uncommitted: whether the reader is in one of them.
        done: what each shard has handled, and put nothing of these transactions aside.
        cascading: whether refreshed products are on their way to those that depend on them.
        copied: whether the near store, where there is one, has all that is handled.
    """

    xids: Sequence[int]
    uncommitted: bool
    done: Sequence[tuple[int, int, Snapshot]]
    cascading: bool = False
    copied: bool = True

    @property
    def handled(self) -> bool:
        """Whether the listener has passed the write everywhere: it need not be asked again."""
        return (
            not self.uncommitted
            and not self.cascading
            and self.copied
            and bool(self.done)
            and len(self.done) == self.done[0][1]
            and all(self._in(done) for _, _, done in self.done)
        )

    def settled(self, address: Address, stamp: str | None, over_products: bool = False) -> bool:
        """Whether the write is in the stored value, or has been handled by the listener.

        A product over products may have been computed, in a snapshot that sees the write, from
        a product that was not yet refreshed: it waits until no cascade is on its way.
        """
        if self.uncommitted:
            return False
        if over_products:
            return self.handled
        return (stamp is not None and self.within(stamp)) or any(
            keys.shard_of(address.key, shards) == shard and self._in(done)
            for shard, shards, done in self.done
        )

    def within(self, stamp: str) -> bool:
        """Whether a stored value of this stamp includes the writes."""
        return self._in(Snapshot.parse(stamp))

    def _in(self, state: Snapshot) -> bool:
        return all(map(state.sees, self.xids))


@dataclass(frozen=True, slots=True)
class Fence:
    """Under which epoch a worker owns a shard."""

    shard: int
    shards: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a store outside the database is to hold from now on.

    Attributes:
        stamp: the state that the removals reflect.
        writes: overwritten.
        removals: removed, and not to come back from a slow reader.
        touched: what other versions of the code hold of these keys is removed too.
        products: and of these products, by name with this code's fingerprint.
        fence: the worker's epoch; None for who is no worker.
    """

    stamp: str
    writes: Sequence[Stored] = ()
    removals: Sequence[Address] = ()
    touched: Sequence[Address] = ()
    products: Sequence[tuple[str, str]] = ()
    fence: Fence | None = None


class Store(Protocol):
    """Where values live, shared by all processes.

    The table ``kck_publish_entry`` always tells *what* is stored; where the values themselves are
    is the store's affair. Methods with a cursor work in the caller's transaction, on the table.
    Those without (``deliver``, ``send``) are for values outside the database, and have nothing to
    do where there are none.
    """

    alias: str
    outside: bool  # whether values are outside the database

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

    def own(self, xids: Sequence[int], wrote: Sequence[str]) -> Own:
        """What is known of transactions that the reader wrote in; the session's own among them.

        Args:
            xids: at least one.
            wrote: session settings, forgotten once the listener has passed all of these.
        """

    def is_behind(self, stored: Stored) -> bool:
        """Whether the last refresh of what was read has failed."""

    def take_soft_expiry(self, cursor: Cursor, address: Address) -> bool:
        """Take an entry's soft expiry away; True for the one reader that did."""

    # A reader that primes.

    def meanwhile(self, cursor: Cursor, addresses: Sequence[Address]) -> dict[str, Stored]:
        """What others have stored, or are just storing, since these were missed."""

    def add_with(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        """Keep those that are not there yet; never overwrite. Then commit, then ``deliver``."""

    def write_later(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        """Overwrite what is of no later state. Then commit, then ``deliver``."""

    def deliver(self, entries: Sequence[Stored], overwrite: bool = False) -> None:
        """The second half of ``add_with``, or of ``write_later``. Never fails."""

    # Who overwrites: the listener, and ``cache.set``.

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

    def write(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        """Keep these, overwriting; each gets a new version."""

    def remove(self, cursor: Cursor, addresses: Sequence[Address], stamp: str) -> int:
        """Remove these, as of a state; the number that were there."""

    def remove_foreign(self, cursor: Cursor, addresses: Sequence[Address]) -> None:
        """Remove what other versions of the code hold of keys that have changed."""

    def remove_foreign_of(self, cursor: Cursor, product: str, fingerprint: str) -> None:
        """Remove what other versions of the code hold of a whole product."""

    def clear(self, cursor: Cursor, product: str | None = None) -> None:
        """Remove everything, or all of one product."""

    def some(
        self, cursor: Cursor, fingerprints: Sequence[str], count: int
    ) -> list[tuple[str, str]]:
        """Product and key of a few entries that primers made, from a random place on."""

    def drop(self, cursor: Cursor, shard: int, shards: int, by_hand: bool = False) -> None:
        """Remove all of a shard, of whichever state; what was set by hand too, if that is said."""

    def sweep(self, cursor: Cursor) -> None:
        """Forget what readers have announced and never stored."""

    def lock_version(self, cursor: Cursor, address: Address) -> int | None:
        """The version that is stored, held still until the transaction ends."""

    def adopt(self, cursor: Cursor, entries: Sequence[Stored]) -> None:
        """These hold as they were seen: the listener's from now on, and no longer behind."""

    def renew(self, cursor: Cursor, entries: Iterable[Stored]) -> None:
        """These hold as they are, until a later time."""

    # What is stored, for the listener and for tools.

    def look(self, cursor: Cursor, addresses: Sequence[Address]) -> Reading:
        """The entries of these addresses."""

    def before(self, cursor: Cursor, addresses: Sequence[Address]) -> Reading:
        """As ``look``; where a value was lost that should be there, an empty one of no state."""

    def before_query(self, addresses: Sequence[Address]) -> Query:
        """The query of ``before``, for a caller that asks several things at once."""

    def before_of(self, rows: Sequence[Any], addresses: Sequence[Address]) -> Reading:
        """What the rows of ``before_query`` say."""

    def lazy_query(self, shard: int, shards: int) -> Query:
        """Asks what readers have added to a shard."""

    def lazies(self, rows: Sequence[Any]) -> Iterable[Stored]:
        """What the rows of ``lazy_query`` say; bodies may be left out."""

    def any_stored(self, cursor: Cursor, product: str) -> bool:
        """Whether anything of a product is stored, by any version of the code, or was read."""

    def enumerate(self, cursor: Cursor, product: str, fingerprint: str) -> Iterable[str]:
        """The keys of a product that are known to be stored."""

    def page(
        self, cursor: Cursor, product: str, fingerprint: str, after: uuid.UUID, limit: int
    ) -> list[tuple[uuid.UUID, str]]:
        """The next of these, with their digests, in the order of the digests."""

    def present(self, cursor: Cursor, addresses: Sequence[Address]) -> set[str]:
        """The keys of those of these whose values are really there."""
