"""The products that a Follower is handed: those that were written or removed, as they are now.

A product is state: written twice between two looks, it is handed on once, with its newest value.
The keys come from the journal that near stores follow (``stores.near.journal``), the values from
whichever store there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from .. import stores
from ..chunks import chunks
from ..conf import settings
from ..log.consumers import STORED
from ..log.followers import Place
from ..log.keys import product_of
from ..products import registry
from ..public import public_in
from ..stores import Address
from ..stores.near import journal
from .loop import CLOSE_POLL
from .stream import Stream


@public_in("kck_publish")
@dataclass(frozen=True)
class StoredProduct:
    """One product as it is stored, or the word that it is not any more.

    Attributes:
        key: its key.
        version: of the value; a later one of the key is greater. None where nothing is stored.
        value: the stored bytes; None where nothing is stored, or where the answer is that there is
            none.
    """

    key: str
    version: int | None
    value: bytes | None


Handler = Callable[[list[StoredProduct]], object]


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
        super().__init__(desk, name, reset)

    def read(self) -> bool:
        """Hand on the products whose entries were written or removed."""
        until, keys = journal.keys_unseen(self.desk, self.place.id, self._name, self.place.done)
        if keys is None:  # all of them are gone
            self.place = self._begin_anew("truncated")
            return True
        wanted = [key for key in keys if self._wants(product_of(key))]
        if not wanted:
            self.pass_over(until)
            return False
        self._hand_on(wanted)
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
                    self._hand_on(store.table.keys(cursor, name, product.fingerprint))

    def is_unbroken(self, place: Place) -> bool:
        """Whether the server, whose crash empties the journal, has not crashed."""
        with self.desk.cursor() as cursor:
            return journal.is_unbroken(cursor, place.id)

    def _wants(self, product: str) -> bool:
        return self._products is None or product in self._products

    def _hand_on(self, keys: Iterable[str]) -> None:
        store = stores.current()
        for page in chunks(list(keys), settings.MAX_BATCH):
            with self.desk.cursor() as cursor:
                addresses = [_address(key) for key in page]
                entries = store.look(cursor, addresses).entries
                # A reader's row may be there before its value is, in a store outside.
                missing = [address for address in addresses if address.key not in entries]
                entries |= store.meanwhile(cursor, missing) if missing else {}
            products = []
            for key in page:
                entry = entries.get(key)
                products.append(
                    StoredProduct(
                        key, entry.version if entry else None, entry.body if entry else None
                    )
                )
            self._handler(products)


def _address(key: str) -> Address:
    product = registry.find(key)
    return Address(key, product.fingerprint if product else "")
