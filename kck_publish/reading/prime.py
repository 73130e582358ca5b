"""The lazy prime: readers that find nothing compute it once, and store it safely.

Races with the listener without a lock on the read path: take the snapshot, compute, *add* (never
overwrite), then look at what the listener has claimed (see ``claims``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from django.db import OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from .. import stores
from ..exceptions import StoreUnreachable
from ..log import refreshes
from ..log.snapshot import take
from ..postgres import Cursor, is_of_test
from ..products.compute import compute
from ..products.compute import current as current_compute
from ..products.product import Computed, Parameters, Product, Wanted
from ..products.time_limit import LATE, seconds_of
from ..stores import READER, Address, Outgoing, Store, Stored, edges
from .claims import refresh_missed
from .entries import entries_of, entry_of
from .freshness import expired

logger = logging.getLogger("kck_publish")

# Our own namespace of advisory locks (the two-integer form).
_LOCKS = "'kck_publish_entry'::regclass::oid::int"
# How often a reader waits for others to prime a key before it computes for itself alone.
PATIENCE = 3
_TRY = f"SELECT pg_try_advisory_xact_lock({_LOCKS}, lock) FROM unnest(%s::int[]) AS lock"
_WAIT = f"SELECT pg_advisory_xact_lock_shared({_LOCKS}, lock) FROM unnest(%s::int[]) AS lock"


def prime(product: Product, wanted: Wanted, uncommitted: bool) -> dict[str, Computed | Stored]:
    """Values for keys that are not stored; what another reader primed meanwhile is taken.

    Args:
        product: whose keys they are.
        wanted: parameters by key.
        uncommitted: whether the caller's transaction has written under the product: then
            nothing may be stored.
    """
    store = stores.current()
    connection = connections[store.alias]
    if uncommitted or current_compute() is not None:
        return _alone(product, wanted)
    if in_transaction(connection):
        return _within(product, wanted, store, connection)
    found: dict[str, Computed | Stored] = {}
    waits = 0
    while todo := {key: wanted[key] for key in wanted if key not in found}:
        if _flight(product, todo, store, connection, found):
            continue
        if waits == PATIENCE:  # whoever we waited for stored nothing
            found.update(_alone(product, todo))
        else:
            waits = waits + 1 if _wait(product, todo, connection) else PATIENCE
            addresses = [Address(key, product.fingerprint) for key in todo]
            with connection.cursor() as cursor:
                found |= _stored_meanwhile(cursor, store, addresses, take(cursor))
    return found


def anew(product: Product, key: str, parameters: Parameters) -> None:
    """Compute a key here and now, and store it unless a later value is there.

    Inside the caller's own transaction, whose outcome is not known, the listener is asked instead.

    Raises:
        whatever the compute raises; what is stored then stays.
    """
    store = stores.current()
    connection = connections[store.alias]
    if in_transaction(connection):
        with connection.cursor() as cursor:
            refreshes.log(cursor, refreshes.REFRESH, [key])
        return
    with transaction.atomic(using=store.alias), connection.cursor() as cursor:
        if product.augmentable and not connection.savepoint_ids:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        stamp = _snapshot(connection)
        (computed,) = compute(product, [parameters])
        if computed.error is not None:
            raise computed.error
        entry = entry_of(product, key, computed, stamp, READER, "refresh")
    if entry is None:  # the primer says that there is none
        gone = [Address(key, product.fingerprint)]
        with transaction.atomic(using=store.alias), connection.cursor() as cursor:
            store.send(cursor, Outgoing(stamp, removals=gone))
            store.remove(cursor, gone, stamp)
        computed.get()
        return
    product.before_set(computed.value, parameters)
    with transaction.atomic(using=store.alias), connection.cursor() as cursor:
        store.write_later(cursor, [entry])
        edges.keep(cursor, edges.reads_of([entry]), stamp)
        refreshes.log(cursor, refreshes.REFRESHED, [key])
    store.deliver([entry], overwrite=True)
    if not store.transactional:  # who was told before has seen the old value
        with connection.cursor() as cursor:
            store.tell_near(cursor, [key])
            refreshes.log(cursor, refreshes.REFRESHED, [key])
    refresh_missed([entry], stamp, connection)
    product.after_set(computed.value, parameters)


def in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Whether the caller is in a transaction; a TestCase's own does not count."""
    blocks = getattr(connection, "atomic_blocks", [])
    return connection.in_atomic_block and not all(map(is_of_test, blocks))


def _alone(product: Product, wanted: Wanted) -> dict[str, Computed | Stored]:
    return dict(zip(wanted, compute(product, list(wanted.values())), strict=True))


def _within(
    product: Product, wanted: Wanted, store: Store, connection: BaseDatabaseWrapper
) -> dict[str, Computed | Stored]:
    """In the caller's transaction: stored once it has committed."""
    stamp = _snapshot(connection)
    found = _alone(product, wanted)
    if not product.augmentable:  # which must come from one snapshot
        entries = entries_of(product, found, stamp)
        _hook(product.before_set, wanted, found, entries)
        add = partial(_add, entries, stamp, store, connection)
        transaction.on_commit(add, using=store.alias, robust=True)
    return found


def _flight(
    product: Product,
    wanted: Wanted,
    store: Store,
    connection: BaseDatabaseWrapper,
    found: dict[str, Computed | Stored],
) -> bool:
    """Compute those keys that nobody else is computing; False when there is none."""
    entries: list[Stored] = []
    try:
        with transaction.atomic(using=store.alias), connection.cursor() as cursor:
            if product.augmentable and not connection.savepoint_ids:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            keys = list(wanted)
            cursor.execute(_TRY, [[lock_of(key) for key in keys]])
            mine = [key for key, (ours,) in zip(keys, cursor.fetchall(), strict=True) if ours]
            if not mine:
                return False
            stamp = _snapshot(connection)
            found |= _stored_meanwhile(
                cursor, store, [Address(k, product.fingerprint) for k in mine], stamp
            )
            computed = _alone(product, {key: wanted[key] for key in mine if key not in found})
            found |= computed
            if connection.connection.info.transaction_status == TransactionStatus.INERROR:
                transaction.set_rollback(True, using=store.alias)  # a compute's query failed
            else:
                entries = entries_of(product, computed, stamp)
                _hook(product.before_set, wanted, computed, entries)
                entries = list(store.add_with(cursor, entries))
                edges.keep(cursor, edges.reads_of(entries), stamp)
    except OperationalError as error:
        # Repeatable read: the listener, or a reader, has just stored the key. Theirs holds.
        if getattr(error.__cause__, "sqlstate", "") != "40001":
            raise
        entries = []
    if entries:
        store.deliver(entries)
        refresh_missed(entries, stamp, connection)
        _hook(product.after_set, wanted, found, entries)
    return True


def _stored_meanwhile(
    cursor: Cursor, store: Store, addresses: Sequence[Address], stamp: str
) -> dict[str, Stored]:
    """What others have stored since we missed it; what is expired is removed."""
    there = store.meanwhile(cursor, addresses)
    late = [stored.address for stored in there.values() if expired(stored)]
    if late:
        with suppress(StoreUnreachable):
            store.send(cursor, Outgoing(stamp, removals=late))
        store.remove(cursor, late, stamp)
    return {key: stored for key, stored in there.items() if not expired(stored)}


def _wait(product: Product, keys: Iterable[str], connection: BaseDatabaseWrapper) -> bool:
    """Until those who compute these keys have ended; all who wait go on at once.

    False: they take longer than they may, and cannot be cut off where they are.
    """
    seconds = seconds_of(product.time_limit)
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            if seconds is not None:
                timeout = max(1, round((seconds + LATE) * 1000))
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [str(timeout)])
            cursor.execute(_WAIT, [sorted(lock_of(key) for key in keys)])
    except OperationalError as error:
        if seconds is None or getattr(error.__cause__, "sqlstate", "") != "55P03":
            raise
        return False
    return True


def _hook(
    hook: Callable[[Any, Parameters], None],
    wanted: Wanted,
    found: Mapping[str, Computed | Stored],
    entries: Iterable[Stored],
) -> None:
    """Call a product's hook for each value that is stored."""
    for entry in entries:
        answer = found[entry.address.key]
        if entry.body is not None and isinstance(answer, Computed):
            hook(answer.value, wanted[entry.address.key])


def _add(
    entries: Sequence[Stored], stamp: str, store: Store, connection: BaseDatabaseWrapper
) -> None:
    if entries:
        edged = edges.reads_of(entries)
        around = transaction.atomic(using=store.alias) if edged else nullcontext()
        with around, connection.cursor() as cursor:
            entries = store.add_with(cursor, entries)
            edges.keep(cursor, edged, stamp)
        store.deliver(entries)
        refresh_missed(entries, stamp, connection)


def lock_of(key: str) -> int:
    """The key's advisory lock: 32 bits of its digest, signed."""
    return int.from_bytes(Address(key, "").digest.bytes[:4], "big", signed=True)


def _snapshot(connection: BaseDatabaseWrapper) -> str:
    with connection.cursor() as cursor:
        return take(cursor)
