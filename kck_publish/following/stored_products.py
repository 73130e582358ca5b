"""The products that a Follower is handed: those that were written or removed, as they are now.

A product is state: written twice between two looks, it is handed on once, with its newest value.
The keys come from the journal that near stores follow (``stores.near.journal``), the values from
whichever store there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import psycopg

from .. import stores
from ..chunks import chunks
from ..conf import settings
from ..log.cluster import timeline
from ..log.consumers import STORED
from ..log.followers import Place
from ..log.keys import product_of
from ..postgres import Cursor
from ..products import registry
from ..public_names import public_in
from ..reading import manual_values
from ..stores import Address, Stored
from ..stores.near import journal
from .loop import CLOSE_POLL
from .stream import Stream


@public_in("kck_publish")
@dataclass(frozen=True)
class StoredProduct:
    """One product as it is stored, or the word that it is not any more.

    Attributes:
        key: its key.
        version: of the value; a later one of the key is greater, in every store. None where
            nothing is stored.
        value: the stored bytes; None where nothing is stored, or where the answer is that there is
            none.
        stamp: the snapshot that the value reflects, as text; None where nothing is stored.
        shape: what JSON cannot say of the value; None for plain JSON.
        fingerprint: of the product's code and declaration.
        read_at: a snapshot from before this was read, after the timeline of the server; of two
            reads of a key, what the later one tells is newer. "" where nobody compares.
        written_in: the number of the transaction that wrote or removed it last; None where all
            that is stored is handed on, to begin with.
    """

    key: str
    version: int | None
    value: bytes | None
    stamp: str | None = field(default=None, compare=False)
    shape: bytes | None = field(default=None, compare=False)
    fingerprint: str = field(default="", compare=False)
    read_at: str = field(default="", compare=False)
    written_in: int | None = field(default=None, compare=False)


Handler = Callable[[list[StoredProduct]], object]
NOBODY: Mapping[str, int] = MappingProxyType({})


class StoredStream(Stream):
    """The products that are written and removed.

    Args:
        desk: the connection that it reads on, and that holds its lock; in autocommit.
        name: of the Follower.
        reset: called when it cannot go on where it was, with the reason.
        handler: is handed the products.
        products: the names of those that it wants; None for all.
    """

    kind = STORED

    def __init__(
        self,
        desk: psycopg.Connection[Any],
        name: str,
        reset: Callable[[str], None],
        handler: Handler,
        products: Collection[str] | None,
    ) -> None:
        self._handler = handler
        self._products = products
        with desk.cursor() as cursor:
            self._timeline = timeline(cursor)
        super().__init__(desk, name, reset)

    def read(self) -> bool:
        """Hand on the products whose entries were written or removed."""
        until, writers = journal.writes_unseen(
            self.desk, self.place.id, self._name, self.place.done
        )
        if writers is None:  # all of them are gone
            self.place = self._begin_anew("truncated")
            return True
        wanted = [key for key in writers if self.wants(key)]
        if not wanted:
            self.pass_over(until)
            return False
        self.hand_on(wanted, until, writers)
        self.move(until)
        return True

    def begin(self) -> Place:
        """Have the journal kept, and wait for those who write and may not know that it is."""
        place = super().begin()
        with self.desk.cursor() as cursor:
            journal.mark(cursor, place.id)
            unaware = journal.writers(cursor)
            while unaware:
                time.sleep(CLOSE_POLL)
                unaware &= journal.writers(cursor)
        return place

    def build(self) -> None:
        """Hand on everything that is stored of the products that this code knows."""
        store = stores.current()
        with self.desk.cursor() as cursor:
            for name, product in registry.graph().products.items():
                if self._wants(name):
                    keys = store.table.keys(cursor, name, product.fingerprint)
                    self.hand_on(keys, self.place.done)

    def is_unbroken(self, place: Place) -> bool:
        """Whether the server, whose crash empties the journal, has not crashed."""
        with self.desk.cursor() as cursor:
            return journal.is_unbroken(cursor, place.id)

    def wants(self, key: str) -> bool:
        """Whether a key that was written or removed is to be handed on."""
        return self._wants(product_of(key))

    def _wants(self, product: str) -> bool:
        return self._products is None or product in self._products

    def hand_on(
        self, keys: Iterable[str], snapshot: str, writers: Mapping[str, int] = NOBODY
    ) -> None:
        """Hand on what is stored of these keys, as it is now: no earlier than in this snapshot."""
        read_at = f"{self._timeline}/{snapshot}"
        for page in chunks(list(keys), settings.MAX_BATCH):
            with self.desk.cursor() as cursor:
                products = as_stored(cursor, page)
            self._handler(
                [
                    replace(product, read_at=read_at, written_in=writers.get(product.key))
                    for product in products
                ]
            )


def as_stored(cursor: Cursor, keys: Sequence[str]) -> list[StoredProduct]:
    """The products of these keys as they are stored now."""
    store = stores.current()
    addresses = [address_of(key) for key in keys]
    entries = store.look(cursor, addresses).entries
    # A reader's row may be there before its value is, in a store outside.
    missing = [address for address in addresses if address.key not in entries]
    if missing and store.meanwhile(cursor, missing):
        entries |= store.look(cursor, missing).entries  # with the versions of their rows
    return [as_product(address, entries.get(address.key)) for address in addresses]


def as_product(address: Address, entry: Stored | None) -> StoredProduct:
    """The product of an entry; of None, that nothing is stored."""
    if entry is None:
        return StoredProduct(address.key, None, None, fingerprint=address.fingerprint)
    # In a cache a value's own version is a random number: that of its row grows.
    version = entry.row or entry.version
    return StoredProduct(
        address.key, version, entry.body, entry.stamp, entry.shape, address.fingerprint
    )


def address_of(key: str) -> Address:
    """The address of a key's value for this code."""
    return manual_values.address_of(registry.find(key), key)
