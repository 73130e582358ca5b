"""Whether a stored value may be served: expired, behind, or older than the reader's own write.

``read`` asks for each value it has read; products that declare nothing special cost nothing.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import clock
from ..exceptions import Behind
from ..log import refreshes
from ..log.keys import shard_of
from ..log.lag import Lags, lags
from ..postgres import Cursor, is_of_test
from ..products import registry
from ..products.product import Product
from ..stores import Address, Own, Store, Stored
from . import unwritable
from .read_with_own_writes import is_over_products

# The soft expiries of values outside that this process has asked the table about.
MANY_ASKED = 1000
_recently_asked: dict[tuple[Address, datetime | None], None] = {}


class Verdict(Enum):
    """The treatment of a stored value."""

    SERVE = "serve"
    COMPUTE = "compute"  # for this reader alone: what is stored is left to the listener
    MISS = "miss"


class Serving:
    """Judges the stored values of one product for one read.

    Args:
        product: whose values they are.
        store: where they are.
        own: what is known of the reader's own last write.
    """

    def __init__(self, product: Product, store: Store, own: Own | None) -> None:
        self._product = product
        self._store = store
        self._own = own
        self._lags: Lags | None = None
        self._over_products = own is not None and is_over_products(product)

    def judge(self, stored: Stored) -> Verdict:
        """Decide how to treat a stored value.

        Raises:
            Behind: it is behind, and the product says to raise then.
        """
        if self._own is not None and not self._own.settled(
            stored.address, stored.stamp, self._over_products
        ):
            return Verdict.COMPUTE
        if expired(stored):
            return Verdict.MISS
        if stored.soft_expire is not None and stored.soft_expire <= clock.now():
            self._ask_once(stored)
        if self._product.when_behind != "serve" and (reason := self._behind(stored)):
            if self._product.when_behind == "raise":
                lag = max(self._lag(stored), self._product.options.lag_outside())
                known = None if self._store.is_behind(stored) else lag
                raise Behind(stored.address.key, known, reason)
            return Verdict.COMPUTE
        return Verdict.SERVE

    def _behind(self, stored: Stored) -> str:
        if self._store.is_behind(stored):
            return "its refresh fails, or is paused"
        if self._lag(stored) > self._product.max_lag.total_seconds():
            return "the listener is behind"
        if self._product.options.lag_outside() > self._product.max_lag.total_seconds():
            return "what it comes from is behind"
        return ""

    def _lag(self, stored: Stored) -> float:
        if self._lags is None:
            with self._cursor() as cursor:
                self._lags = lags(cursor, registry.graph().under(self._product.name))
        return self._lags.of_shard(shard_of(stored.address.key, self._lags.shards))

    def _ask_once(self, stored: Stored) -> None:
        """However many readers see it, one of them asks for the refresh.

        The table forgets the soft expiry then. A value outside keeps it until it is refreshed: a
        process asks the table once for each.
        """
        asked = (stored.address, stored.soft_expire)
        if asked in _recently_asked:
            return
        if in_transaction(connections[self._store.alias]):
            # The entry's row would be locked until the caller's transaction ends.
            ask = _AskOnCommit(self, stored)
            transaction.on_commit(ask.run, using=self._store.alias, robust=True)
            return
        alias = self._store.alias
        try:
            with transaction.atomic(using=alias), self._cursor() as cursor:
                if self._store.table.take_soft_expiry(cursor, stored.address):
                    refreshes.log(cursor, refreshes.REFRESH, [stored.address.key])
        except DatabaseError as error:  # the value is served for all that
            unwritable.say(alias, error)
            return
        if (
            not self._store.forgets_soft_expiry
            and not connections[self._store.alias].in_atomic_block
        ):
            # Committed: were it rolled back, somebody has to ask again.
            while len(_recently_asked) >= MANY_ASKED:
                _recently_asked.pop(next(iter(_recently_asked)), None)
            _recently_asked[asked] = None

    def _cursor(self) -> Cursor:
        return connections[self._store.alias].cursor()


class _AskOnCommit:
    """Asks for the refresh of a value that a transaction has read, once that has committed."""

    def __init__(self, serving: Serving, stored: Stored) -> None:
        self._serving = serving
        self._stored = stored

    def run(self) -> None:
        """Ask, if nobody has meanwhile."""
        self._serving._ask_once(self._stored)


def in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Whether the caller is in a transaction; a TestCase's own does not count."""
    blocks = getattr(connection, "atomic_blocks", [])
    return connection.in_atomic_block and not all(map(is_of_test, blocks))


def expired(stored: Stored) -> bool:
    """Whether a value may not be served any more, by its own ``hard_expire``."""
    return stored.hard_expire is not None and stored.hard_expire <= clock.now()
