"""For tests of one's own products: drain inside a TestCase, compare with a compute, travel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connections

from . import clock, stores
from .conf import settings
from .exceptions import ConfigurationError
from .listener.listener import Listener
from .ops.compare import same
from .ops.difference import difference
from .primers.base import Primer
from .primers.product import name_of
from .products import registry
from .products.compute import compute
from .products.undeclared_reads import refusals
from .refresh.drain import drain_transaction
from .refresh.outcome import Outcome


def drain() -> Outcome:
    """Refresh everything that has changed: no commit, no listener and no LISTEN is needed.

    Inside a test's transaction it handles what that transaction has written; elsewhere it does
    what ``kck_listen --once`` does.

    Raises:
        UndeclaredRead: the first one of the computes, where STRICT is not set.
        ConfigurationError: in an ``atomic()`` of one's own, with values in a cache.
    """
    connection = connections[settings.DATABASE]
    if connection.in_atomic_block and not stores.current().transactional:
        raise ConfigurationError(
            "drain() inside atomic() would leave in the cache what may be rolled back: call it "
            "after the block, or test in a TestCase."
        )
    with refusals() as refused:
        if connection.in_atomic_block:
            outcome = drain_transaction(connection)
        else:
            outcome = Listener(settings.DATABASE).once()
    if refused and settings.STRICT is None:
        raise refused[0]
    return outcome


def assert_fresh(*products: str | type[Primer]) -> None:
    """Compare what is stored with a fresh compute.

    Args:
        products: names, or primers; every product when none is given.

    Raises:
        AssertionError: naming the keys that differ, each with the first path at which it does.
    """
    store, graph = stores.current(), registry.graph()
    stale = []
    names = [product if isinstance(product, str) else name_of(product) for product in products]
    for name in names or list(graph.products):
        product = registry.get(name)
        with connections[store.alias].cursor() as cursor:
            keys = sorted(store.table.keys(cursor, name, product.fingerprint))
            for key in keys:
                address = stores.Address(key, product.fingerprint)
                stored = store.look(cursor, [address]).entries.get(key)
                if stored is None:  # lost by the cache: nobody reads it
                    continue
                (fresh,) = compute(product, [product.parameters_of(key)])
                if fresh.error is not None:
                    raise fresh.error
                if not same(product, stored, fresh):
                    stale.append(f"{key} ({difference(product, stored, fresh)})")
    if stale:
        raise AssertionError(f"Not fresh: {', '.join(stale)}")


@contextmanager
def travel(by: timedelta) -> Iterator[None]:
    """Move the library's clock (retries, expiry, schedules, lag) within the block.

    Raises:
        ConfigurationError: it is not moved by a timedelta.
    """
    if not isinstance(by, timedelta):
        raise ConfigurationError(f"travel() takes a timedelta, not {by!r}.")
    clock.move(by)
    try:
        yield
    finally:
        clock.move(-by)


__all__ = ["assert_fresh", "drain", "travel"]
