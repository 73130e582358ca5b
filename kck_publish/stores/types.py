"""The values that stores take and give: addresses, entries, what a read or write is about. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ..log import keys

# A statement and its parameters.
Query = tuple[str, list[Any]]

# Who wrote an entry.
READER, LISTENER, HAND = "reader", "listener", "hand"
# Why a reader's entry was written that says that there is nothing: these are limited in number.
ABSENT = "absent"


class Address(NamedTuple):
    """The address of a key's value: neither of two versions of the code sees the other's."""

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
    torn: bool = False  # its row is that of an earlier value: a batch was cut off between the two

    @property
    def product(self) -> str:
        """The name of the product that it is of."""
        return keys.product_of(self.address.key)


# Gives entries as they were stored, with their versions, once the transaction has ended; none where
# that is not told.
Written = Callable[[], Sequence[Stored]]
UNTOLD: Written = tuple


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of one look at the store.

    Attributes:
        entries: what is stored, by key.
        own: the last transaction of this session that wrote under what was asked for, until
            the session's own knowledge is overtaken; None when it wrote nothing.
    """

    entries: dict[str, Stored]
    own: int | None


@dataclass(frozen=True, slots=True)
class Fence:
    """Under which epoch a worker owns a shard."""

    shard: int
    shards: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The entries that a store outside the database is to hold from now on.

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
