"""What every store gives: entries by key and fingerprint, and who wrote them last.

A store never expires a value by itself. The listener writes; readers only ``add``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from .. import keys
from ..snapshots import Snapshot

# Who wrote an entry.
READER, LISTENER, HAND = "reader", "listener", "hand"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the value of a key is kept: neither of two versions of the code sees the other's."""

    key: str
    fingerprint: str
    digest: uuid.UUID = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", uuid.UUID(bytes=keys.identify(self.key)))

    @property
    def bucket(self) -> int:
        """The key's place in the key space; its shard is this modulo the number of shards."""
        return bucket_of(self.digest)


@dataclass(frozen=True, slots=True)
class Stored:
    """One entry as it is stored. ``body`` is None for the answer that there is none."""

    address: Address
    product: str
    body: bytes | None
    shape: bytes | None
    stamp: str
    by: str
    version: int = 0
    primed_at: datetime | None = None
    soft_expire: datetime | None = None
    hard_expire: datetime | None = None
    behind: bool = False
    reason: str = ""
    seconds: float = 0.0


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
    """What is known of the reader's own last write."""

    xid: int
    uncommitted: bool
    done: Sequence[tuple[int, int, Snapshot]]
    cascading: bool = False

    @property
    def handled(self) -> bool:
        """Whether the listener has passed the write everywhere: it need not be asked again."""
        return (
            not self.uncommitted
            and not self.cascading
            and bool(self.done)
            and len(self.done) == self.done[0][1]
            and all(done.sees(self.xid) for _, _, done in self.done)
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
        if stamp is not None and Snapshot.parse(stamp).sees(self.xid):
            return True
        return any(
            address.bucket % shards == shard and done.sees(self.xid)
            for shard, shards, done in self.done
        )


class Store(Protocol):
    """Where values live, shared by all processes."""

    def read(self, addresses: Sequence[Address], wrote: Sequence[str]) -> Reading:
        """The entries of these addresses, in one round trip."""

    def own(self, xid: int, wrote: Sequence[str]) -> Own:
        """What is known of a transaction that this session wrote in."""

    def add(self, entries: Iterable[Stored]) -> None:
        """Keep those that are not there yet; never overwrite."""

    def write(self, cursor: Any, entries: Sequence[Stored]) -> None:
        """Keep these, overwriting: the listener's and ``cache.set``'s way."""

    def remove(self, cursor: Any, addresses: Sequence[Address]) -> int:
        """Remove these; the number that were there."""


def bucket_of(digest: uuid.UUID) -> int:
    """16 bits of the key's digest."""
    return digest.int & 0xFFFF
