"""A reader's own writes: what is stored is read in an order that never hides them.

``read`` reads by it, and ``freshness`` judges what it gives. Nothing is asked for a session that
has not written, and only a request waits that brings a write along from an earlier one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from django.db import connections

from ..capture import own_request_writes, own_session_writes
from ..products import registry
from ..products.product import Product
from ..stores import Address, Own, Reading, Store, Stored, read_own
from ..stores.near import progress

# Looks at the store: addresses, and the session settings that tell of own writes.
Ask = Callable[[Sequence[Address], Sequence[str]], Reading]
# How long a reader waits before it asks again what is handled, in seconds.
_STEP = 0.005


def read(
    product: Product, store: Store, addresses: Sequence[Address], ask: Ask | None = None
) -> tuple[Reading, Own | None]:
    """The stored entries, with the reader's own writes under them, as far as they are known.

    Args:
        ask: looks at the store; by default for these addresses alone.

    Raises:
        StoreUnreachable, DatabaseError: the store cannot be read.
    """
    wrote = registry.graph().wrote(product.name)
    asked: Sequence[str] = wrote
    mine: int | None = None
    if not own_session_writes.session_tells(store.alias):
        asked, mine = (), own_session_writes.last_write(connections[store.alias], wrote)
    context = own_request_writes.current()
    others = [] if context is None else context.under(store.alias, wrote, progress.includes)
    if context is not None and context.brings:  # nothing that was read before this was asked
        reading = store.read(addresses, asked, stamped=True)
    else:
        reading = (ask or store.read)(addresses, asked)
    if _learns(product, reading):  # it stands on more than was thought
        return read(product, store, addresses)
    xids = [*others, *(xid for xid in (mine, reading.own) if xid is not None)]
    if not xids:
        return reading, None
    over_products = is_over_products(product)
    own = read_own(store, xids, asked)
    if context is not None and others:
        entries = reading.entries.values()
        while (
            not own.uncommitted
            and not all(own.settled(entry.address, entry.stamp, over_products) for entry in entries)
            and context.may_wait()
        ):
            time.sleep(_STEP)
            own = read_own(store, xids, asked)
        if own.handled:
            context.pass_(xids)
    if own.handled and mine is not None:
        own_session_writes.forget(store.alias, wrote, xids)
    if any(_rests_on_progress(own, entry, over_products) for entry in reading.entries.values()):
        # The listener may have written between the two questions: what it has handled says nothing
        # of a value that was read before.
        reading = store.read(addresses, asked, stamped=True)
        if _learns(product, reading):
            return read(product, store, addresses)
    return reading, own


def _rests_on_progress(own: Own, stored: Stored, over_products: bool) -> bool:
    """Whether only the listener's progress says that a value includes the writes."""
    return own.settled(stored.address, stored.stamp, over_products) and (
        over_products or not own.within(stored.stamp)
    )


def _learns(product: Product, reading: Reading) -> bool:
    """Whether an entry tells this process of products under it that it did not know of."""
    over = {entry.over for entry in reading.entries.values() if entry.over}
    new = [names for names in over if registry.graph().learn(product.name, names)]
    return bool(new)


def is_over_products(product: Product) -> bool:
    """Whether a product depends on others."""
    return any(registry.graph().stands_on(product.name))
