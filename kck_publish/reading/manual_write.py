"""What is written by hand: ``cache.set``, ``unset`` and ``clear``, on the table and outside it.

Outside a transaction of the caller's, a value that lives outside the database is written while its
row is locked, after a row has been committed for it: whoever is killed in between leaves a row that
the listener looks at. Inside one it is written after the commit.
"""

from __future__ import annotations

from functools import partial

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
    store, key = stores.current(), entry.address.key
    after = not store.transactional and in_transaction(connections[store.alias])
    with stores.named_errors(store.alias), connections[store.alias].cursor() as cursor:
        if check_version is None and not after:
            store.announce(cursor, [entry])
        with transaction.atomic(using=store.alias):
            if check_version is not None:
                version = store.lock_version(cursor, entry.address)
                if version != check_version:
                    raise VersionMismatch(key, check_version, version)
            entry = entry._replace(
                stamp=take(cursor), version=stores.new_version(), primed_at=clock.now()
            )
            store.write(cursor, [entry])
            if not after:
                store.send(cursor, Outgoing(entry.stamp, writes=[entry]))
            _tell(cursor, key)
            if after:
                transaction.on_commit(partial(_put_after, store, entry), using=store.alias)
    return entry if after else None


def take_away(address: Address) -> bool:
    """Remove what is stored there; whether there was something.

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
        store.send(cursor, Outgoing(stamp, removals=[address]))
        removed = store.remove(cursor, [address], stamp) > 0
        if removed:
            _tell(cursor, address.key)
    return removed


def clear(product: str | None) -> None:
    """Remove everything that is stored, or all of one product."""
    store = stores.current()
    with stores.named_errors(store.alias), connections[store.alias].cursor() as cursor:
        store.clear(cursor, product)


def _put_after(store: Store, entry: Stored) -> None:
    with connections[store.alias].cursor() as cursor:
        store.send(cursor, Outgoing(entry.stamp, writes=[entry]))
        store.tell_near(cursor, [entry.address.key])  # who was told before has seen the old value
        _tell(cursor, entry.address.key)


def _tell(cursor: Cursor, key: str) -> None:
    if registry.graph().by_product.get(product_of(key)):
        refreshes.log(cursor, refreshes.REFRESHED, [key])
    else:
        edges.log_refreshes(cursor, [key])
