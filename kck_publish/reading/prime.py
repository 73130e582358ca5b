"""The lazy prime: readers that find nothing compute it once, and store it safely.

Races with the listener without a lock on the read path: take the snapshot, compute, *add* (never
overwrite), then look at what the listener has claimed (see ``claims``).
"""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from .. import stores, tracing
from ..chunks import chunks
from ..log import refreshes
from ..log.snapshot import take
from ..products.compute import compute
from ..products.compute import current as current_compute
from ..products.product import Computed, Parameters, Product, Wanted
from ..stores import READER, Address, Outgoing, Store, Stored, edges
from . import look, unwritable
from .claims import refresh_missed
from .counts import counts
from .entries import entry_of
from .freshness import in_transaction
from .key_locks import wait
from .primed_together import Running, running_on

# How often a reader waits for others to prime a key before it computes for itself alone.
PATIENCE = 3
# How many keys are locked at once: the server has room for some thousand locks, of all sessions.
PORTION = 500

Found = dict[str, Computed | Stored]


def prime(product: Product, wanted: Wanted, uncommitted: bool) -> Found:
    """Values for keys that are not stored; what another reader primed meanwhile is taken.

    Args:
        product: whose keys they are.
        wanted: parameters by key.
        uncommitted: whether the caller's transaction has written under the product: then
            nothing may be stored.
    """
    store = stores.current()
    connection = connections[store.alias]
    if uncommitted:
        return _alone(product, wanted)
    if tracing.tracer is not None and current_compute() is None:
        with tracing.span("prime", product=product.name, keys=len(wanted)):
            return _prime(product, wanted, store, connection)
    return _prime(product, wanted, store, connection)


def _prime(
    product: Product, wanted: Wanted, store: Store, connection: BaseDatabaseWrapper
) -> Found:
    if current_compute() is not None:
        running = running_on(connection)
        return _alone(product, wanted) if running is None else _inside(product, wanted, running)
    if in_transaction(connection):
        return _within(product, wanted, store, connection)
    found: Found = {}
    for keys in chunks(list(wanted), PORTION):
        found |= _primed(product, {key: wanted[key] for key in keys}, store, connection)
    return found


def _primed(
    product: Product, wanted: Wanted, store: Store, connection: BaseDatabaseWrapper
) -> Found:
    """Of a portion of the keys, each computed by one reader."""
    found: Found = {}
    waits = 0
    while todo := {key: wanted[key] for key in wanted if key not in found}:
        if _flight(product, todo, store, connection, found):
            continue
        if waits == PATIENCE:  # whoever we waited for stored nothing
            found.update(_alone(product, todo))
        else:
            counts.waits += 1
            waits = waits + 1 if wait(product, todo, connection) else PATIENCE
            found |= look.stored_meanwhile(product, todo, store, connection)[0]
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
        store.write_newer(cursor, [entry])
        edges.keep(cursor, edges.reads_of([entry]), stamp)
        refreshes.log(cursor, refreshes.REFRESHED, [key])
    store.deliver([entry], overwrite=True)
    if not store.transactional:  # who was told before has seen the old value
        with connection.cursor() as cursor:
            store.tell_near(cursor, [key])
            refreshes.log(cursor, refreshes.REFRESHED, [key])
    refresh_missed([entry], stamp, connection)
    product.after_set(computed.value, parameters)


def _alone(product: Product, wanted: Wanted) -> Found:
    return dict(zip(wanted, compute(product, list(wanted.values())), strict=True))


def _within(
    product: Product, wanted: Wanted, store: Store, connection: BaseDatabaseWrapper
) -> Found:
    """In the caller's transaction: stored once it has committed."""
    running = Running(store, connection, flies=False)
    stamp = _snapshot(connection)
    with running.computing(stamp):
        found = _alone(product, wanted)
    if not product.augmentable:  # which must come from one snapshot
        running.keep(product, wanted, found, stamp)
    running.add_on_commit()
    return found


def _inside(product: Product, wanted: Wanted, running: Running) -> Found:
    """In a compute that is primed itself: stored with what it computes, and computed once.

    What another reader computes is waited for, unless that waits for us.
    """
    found: Found = {key: running.entries[key] for key in wanted if key in running.entries}
    keys = [key for key in wanted if key not in found]
    if not keys or _is_lost(running.connection):
        return found | _alone(product, {key: wanted[key] for key in keys})
    if running.may_lock(len(keys)):
        mine, stamp, there, _ = look.within(product, keys, running.store, running.connection)
        found |= there
        if others := set(keys).difference(mine):
            wait(product, others, running.connection)
            found |= look.stored_meanwhile(product, others, running.store, running.connection)[0]
    else:
        stamp = _snapshot(running.connection)
    todo = {key: wanted[key] for key in keys if key not in found}
    computed = _alone(product, todo)
    if _is_lost(running.connection):
        return found | computed
    if product.augmentable and _snapshot(running.connection) != stamp:
        return found | computed  # somebody has committed: it may be of two snapshots
    return found | computed | running.keep(product, todo, computed, stamp)


def _flight(
    product: Product,
    wanted: Wanted,
    store: Store,
    connection: BaseDatabaseWrapper,
    found: Found,
) -> bool:
    """Compute those keys that nobody else is computing; False when there is none."""
    running = Running(store, connection, flies=True)
    are_computed = False
    try:
        with transaction.atomic(using=store.alias):
            mine, stamp, there, running.expired = look.begin(
                product, list(wanted), store, connection
            )
            if not mine:
                return False
            found |= there
            todo = {key: wanted[key] for key in mine if key not in found}
            with running.computing(stamp):
                computed = _alone(product, todo)
            found |= computed
            are_computed = True
            if _is_lost(connection):  # a compute's query failed
                running.forget()
                transaction.set_rollback(True, using=store.alias)
            else:
                running.keep(product, todo, computed, stamp)
                running.write()
    except (DatabaseError, InterfaceError) as error:
        # Repeatable read: the listener, or a reader, has just stored the key. Theirs holds.
        if getattr(error.__cause__, "sqlstate", "") != "40001":
            if not are_computed:
                raise
            unwritable.say(store.alias, error)
        running.forget()
    running.finish()
    return True


def _is_lost(connection: BaseDatabaseWrapper) -> bool:
    """Whether a query has failed in the transaction, so that nothing more can be asked in it."""
    status = connection.connection.pgconn.transaction_status
    return bool(status == TransactionStatus.INERROR)


def _snapshot(connection: BaseDatabaseWrapper) -> str:
    with connection.cursor() as cursor:
        return take(cursor)
