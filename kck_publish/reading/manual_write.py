"""Manual writes: ``cache.set``, ``unset`` and ``clear``, on the table and outside it.

Outside a transaction of the caller's, a value that lives outside the database is written while its
row is locked, after a row has been committed for it: whoever is killed in between leaves a row that
the listener looks at. Inside one it is written or removed after the commit; so is what a listener
writes too, which would wait for the row until then. What waits for the commit counts already for
what the same transaction asks next.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connections, transaction

from .. import clock, stores
from ..exceptions import VersionMismatch
from ..log import refreshes
from ..log.keys import product_of
from ..log.snapshot import take
from ..postgres import Cursor
from ..products import registry
from ..stores import Address, Outgoing, Store, Stored, edges
from . import manual_values
from .freshness import in_transaction

logger = logging.getLogger("kck_publish")


def put(entry: Stored, check_version: int | None) -> Stored | None:
    """Store an entry, with the present state as its stamp.

    Args:
        check_version: only if what is stored still has this version.

    Returns:
        None when it can be read from now on, else what will be there after the commit.

    Raises:
        VersionMismatch: the entry has moved on, or is gone.
        StoreUnreachable: the store does not answer.
    """
    store = stores.current()
    entry = entry._replace(version=stores.new_version())
    if not _is_after_commit(store, entry.address.key):
        _put(store, entry, check_version)
        return None
    with stores.named_errors(store.alias), connections[store.alias].cursor() as cursor:
        if check_version is not None:  # as it is now: nothing is locked
            _check(entry, check_version, _version(store, cursor, entry.address))
        if store.transactional:
            entry = entry._replace(version=store.table.next_version(cursor))
    _Put(entry, check_version).wait(store)
    return entry._replace(primed_at=clock.now())


def _is_after_commit(store: Store, key: str | None) -> bool:
    """Whether a transaction of the caller's is open, and must leave the rows of a key alone.

    A listener writes the keys of products, and would wait for the caller to commit. A value that no
    primer makes commits and rolls back with the caller where the store allows that.

    Args:
        key: or the name of a product; None for all there are.
    """
    return in_transaction(connections[store.alias]) and (
        not store.transactional or key is None or registry.find(key) is not None
    )


def _put(store: Store, entry: Stored, check_version: int | None, promised: bool = False) -> None:
    """Store it.

    Args:
        promised: whether the caller was told the version: it is kept, unless a later one is there.
    """
    with stores.named_errors(store.alias), connections[store.alias].cursor() as cursor:
        if check_version is None:
            store.announce(cursor, [entry])
        with transaction.atomic(using=store.alias):
            old = None
            if check_version is not None or promised:
                old = store.lock_version(cursor, entry.address)
            if check_version is not None:
                _check(entry, check_version, old)
            entry = entry._replace(stamp=take(cursor), primed_at=clock.now())
            store.write(cursor, [entry])
            if promised and store.transactional and (old or 0) < entry.version:
                store.table.number(cursor, entry)
            store.send(cursor, Outgoing(entry.stamp, writes=[entry]))
            _tell(cursor, [entry.address.key])


def _check(entry: Stored, wanted: int, version: int | None) -> None:
    if version != wanted:
        raise VersionMismatch(entry.address.key, wanted, version)


class _AfterCommit:
    """What is done to some keys when the caller's transaction has committed."""

    version: int | None = None

    def concerns(self, address: Address) -> bool:
        """Whether it decides what is stored at an address."""
        raise NotImplementedError

    def run(self) -> None:
        """Do it."""
        raise NotImplementedError

    def wait(self, store: Store) -> None:
        """Have it done after the commit, or never where its savepoint is rolled back."""
        transaction.on_commit(self.run, using=store.alias, robust=True)


class _Put(_AfterCommit):
    """Stores an entry."""

    def __init__(self, entry: Stored, check_version: int | None) -> None:
        self.version = entry.version
        self._entry = entry
        self._check_version = check_version

    def concerns(self, address: Address) -> bool:
        return address == self._entry.address

    def run(self) -> None:
        """Store it; a version that has moved on meanwhile stays, and the log says so."""
        store = stores.current()
        try:
            _put(store, self._entry, self._check_version, promised=True)
        except VersionMismatch as error:
            logger.warning("A value was not set after the commit: %s", error)
            return
        if not store.transactional:
            with connections[store.alias].cursor() as cursor:
                store.tell_near(cursor, [self._entry.address.key])


@dataclass(frozen=True)
class _TakeAway(_AfterCommit):
    """Removes an entry."""

    address: Address

    def concerns(self, address: Address) -> bool:
        return address == self.address

    def run(self) -> None:
        take_all_away([self.address])


@dataclass(frozen=True)
class _Clear(_AfterCommit):
    """Removes all entries, or all of one product."""

    product: str | None

    def concerns(self, address: Address) -> bool:
        return self.product is None or product_of(address.key) == self.product

    def run(self) -> None:
        store = stores.current()
        with stores.named_errors(store.alias), connections[store.alias].cursor() as cursor:
            if self.product is None and store.transactional:
                store.table.clear(cursor, manual_values.fingerprint(), by_hand=False)
            else:
                store.clear(cursor, self.product)


def _version(store: Store, cursor: Cursor, address: Address) -> int | None:
    """The version that is stored; or will be, by what waits for the caller's commit."""
    for _, act, *_ in reversed(connections[store.alias].run_on_commit):
        waiting = getattr(act, "__self__", None)
        if isinstance(waiting, _AfterCommit) and waiting.concerns(address):
            return waiting.version
    there = store.look(cursor, [address]).entries.get(address.key)
    return None if there is None else there.version


def take_away(address: Address) -> bool:
    """Remove what is stored there; whether there is something. Raises as ``take_all_away``."""
    store = stores.current()
    if not _is_after_commit(store, address.key):
        return take_all_away([address]) > 0
    with stores.named_errors(store.alias), connections[store.alias].cursor() as cursor:
        is_there = _version(store, cursor, address) is not None
    _TakeAway(address).wait(store)
    return is_there


def take_all_away(addresses: Sequence[Address]) -> int:
    """Remove what is stored there, at once and in one transaction; how many were there.

    Raises:
        StoreUnreachable: the store does not answer.
    """
    store = stores.current()
    with (
        stores.named_errors(store.alias),
        transaction.atomic(using=store.alias),
        connections[store.alias].cursor() as cursor,
    ):
        stamp = take(cursor)
        store.send(cursor, Outgoing(stamp, removals=addresses))
        removed = store.remove(cursor, addresses, stamp)
        if removed:
            _tell(cursor, [address.key for address in addresses])
    return removed


def clear(product: str | None) -> None:
    """Remove everything that is stored, or all of one product."""
    store = stores.current()
    if not _is_after_commit(store, product):
        with stores.named_errors(store.alias), connections[store.alias].cursor() as cursor:
            store.clear(cursor, product)
        return
    if product is None and store.transactional:
        # What no primer makes is set at once, so it goes at once: what is set after this stays.
        with stores.named_errors(store.alias), connections[store.alias].cursor() as cursor:
            store.table.clear(cursor, manual_values.fingerprint(), by_hand=True)
    _Clear(product).wait(store)


def _tell(cursor: Cursor, keys: Sequence[str]) -> None:
    depended_on = registry.graph().by_product
    declared = [key for key in keys if depended_on.get(product_of(key))]
    refreshes.log(cursor, refreshes.REFRESHED, declared)
    edges.log_refreshes(cursor, [key for key in keys if not depended_on.get(product_of(key))])
