"""Manual writes: ``cache.set``, ``unset`` and ``clear``, on the table and outside it.

Outside a transaction of the caller's, a value that lives outside the database is written while its
row is locked, after a row has been committed for it: whoever is killed in between leaves a row that
the listener looks at. Inside one it is written or removed after the commit; so is what a listener
writes too, which would wait for the row until then.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import connections, transaction

from .. import clock, stores
from ..exceptions import VersionMismatch
from ..log import refreshes
from ..log.keys import product_of
from ..log.snapshot import take
from ..postgres import Cursor
from ..products import registry
from ..stores import Address, Outgoing, Store, Stored, edges
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
            there = store.look(cursor, [entry.address]).entries.get(entry.address.key)
            _check(entry, check_version, None if there is None else there.version)
        if store.transactional:
            entry = entry._replace(version=store.table.next_version(cursor))
    put = _Put(entry, check_version)
    transaction.on_commit(put.run, using=store.alias, robust=True)
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


class _Put:
    """Stores an entry when the caller's transaction has committed."""

    def __init__(self, entry: Stored, check_version: int | None) -> None:
        self._entry = entry
        self._check_version = check_version

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


def take_away(address: Address) -> bool:
    """Remove what is stored there; whether there is something. Raises as ``take_all_away``."""
    store = stores.current()
    if not _is_after_commit(store, address.key):
        return take_all_away([address]) > 0
    with stores.named_errors(store.alias), connections[store.alias].cursor() as cursor:
        is_there = bool(store.look(cursor, [address]).entries)
    transaction.on_commit(lambda: take_all_away([address]), using=store.alias, robust=True)
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
    if _is_after_commit(store, product):
        transaction.on_commit(lambda: _clear(product), using=store.alias, robust=True)
    else:
        _clear(product)


def _clear(product: str | None) -> None:
    store = stores.current()
    with stores.named_errors(store.alias), connections[store.alias].cursor() as cursor:
        store.clear(cursor, product)


def _tell(cursor: Cursor, keys: Sequence[str]) -> None:
    depended_on = registry.graph().by_product
    declared = [key for key in keys if depended_on.get(product_of(key))]
    refreshes.log(cursor, refreshes.REFRESHED, declared)
    edges.log_refreshes(cursor, [key for key in keys if not depended_on.get(product_of(key))])
