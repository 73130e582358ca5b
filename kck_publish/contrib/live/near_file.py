"""What is stored, as a hub follows it in the near store's file: PostgreSQL is asked nothing.

The file says which keys were written, and as of which moment it is a true copy. A value is read in
it by who has not seen a later one: a key that PostgreSQL was asked for, once the file is true as of
a moment after that; a client that has joined, which may come from anywhere, once it is true as of a
moment after it has. Of what the file does not hold (it is too large, or has made way, or there is
none) PostgreSQL is asked. When the follower of the file is gone, the hub follows PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import psycopg

from ...chunks import chunks
from ...conf import settings
from ...following.stored_products import address_of, as_product, as_stored
from ...postgres import connect
from ...stores.near.change_log import FollowedLog
from ...stores.near.format import clock
from ...stores.near.reader import NearReader
from .near_ring import Ring

if TYPE_CHECKING:
    from .hub import Hub

# Seconds between two looks that nobody rang for; and until PostgreSQL is asked instead.
NAP, PATIENCE = 0.25, 0.05
# Seconds for which the connection is kept on which PostgreSQL was asked.
KEPT = 5.0


class NearWatch:
    """The watched keys of a hub, in the file.

    Args:
        hub: is told of them; this runs in its thread.
        near: reads the file.

    Raises:
        OSError: there can be no socket beside it.
    """

    def __init__(self, hub: Hub, near: NearReader) -> None:
        self._hub = hub
        self._near = near
        self._log = FollowedLog(near)
        self._ring = Ring(near)
        self._desk: psycopg.Connection[Any] | None = None
        self._used = self._beaten = 0.0
        # When a key was written or removed of which the watchers have not been told.
        self._changed: dict[str, float] = {}
        # The moments at which somebody joined who waits for a key.
        self._joined: dict[str, list[float]] = {}
        # When PostgreSQL was last asked for a key.
        self._asked: dict[str, float] = {}

    def wake(self) -> None:
        """Look at once; any thread may say so."""
        self._ring.wake()

    def follow(self) -> None:
        """Follow until the hub is to end, or the file is followed no more.

        Raises:
            psycopg.Error, StoreUnreachable: what the file does not hold cannot be asked for.
        """
        try:
            watched = self._hub.watched
            self._join(watched)
            self._asked = dict.fromkeys(watched, clock())  # PostgreSQL was followed till now
            while not self._hub.process.stopping and self._look():
                self._ring.wait(PATIENCE if self._changed or self._joined else NAP)
        finally:
            self._ring.close()
            if self._desk is not None:
                self._desk.close()

    def _look(self) -> bool:
        """Tell what is new; False where the file is followed no more."""
        self._join(self._hub.asked())
        changes = self._log.look()
        if changes is None:
            return False
        now = clock()
        if changes.keys is None:
            keys = self._hub.watched
        else:
            keys = [key for key in changes.keys if self._hub.watches(key)]
        for key in keys:
            self._changed.setdefault(key, now)
        waiting = self._changed.keys() | self._joined.keys()
        due = [key for key in waiting if self._is_due(key, changes.at)]
        self._hand_on(due, changes.at)
        waiting = self._changed.keys() | self._joined.keys()
        self._ask([key for key in waiting if self._is_late(key, now)])
        if self._asked and max(self._asked.values()) <= changes.at:
            self._asked.clear()
        self._hub.tell_touched(everything=changes.keys is None)
        self._beat()
        return True

    def _join(self, keys: Iterable[str]) -> None:
        now = clock()
        for key in keys:
            self._joined.setdefault(key, []).append(now)
            self._hold(key)

    def _hold(self, key: str) -> None:
        self._near.ask(*address_of(key))

    def _is_due(self, key: str, at: float) -> bool:
        """Whether the file, true as of this moment, has what somebody waits for."""
        if self._asked.get(key, 0.0) > at:
            return False
        return key in self._changed or any(moment <= at for moment in self._joined[key])

    def _is_late(self, key: str, now: float) -> bool:
        waits = [self._changed.get(key, now), *self._joined.get(key, ())]
        return bool(now - min(waits) > PATIENCE)

    def _hand_on(self, keys: list[str], at: float) -> None:
        """Tell what the file holds of these; ask PostgreSQL for the others."""
        missing = []
        for page in chunks(keys, settings.MAX_BATCH):
            found = []
            for address in map(address_of, page):
                entry = self._near.get(*address)
                if entry is None:
                    missing.append(address.key)
                else:
                    found.append(as_product(address, entry))
            told = [product.key for product in found]
            self._hub.begin(told, at)
            self._hub.stored(found)
            self._done(told, at)
        self._ask(missing)

    def _ask(self, keys: list[str]) -> None:
        for page in chunks(keys, settings.MAX_BATCH):
            if self._desk is None:
                self._desk = connect(settings.DATABASE)
            self._hub.begin(page)
            began = clock()
            with self._desk.cursor() as cursor:
                products = as_stored(cursor, page)
            self._hub.stored(products)
            self._done(page, began)
            self._used = clock()
            self._asked |= dict.fromkeys(page, self._used)
            for product in products:
                if product.version is not None:
                    self._hold(product.key)

    def _done(self, keys: Iterable[str], at: float) -> None:
        """Of these it was told what was stored at this moment."""
        for key in keys:
            self._changed.pop(key, None)
            left = [moment for moment in self._joined.pop(key, ()) if moment > at]
            if left:
                self._joined[key] = left

    def _beat(self) -> None:
        self._hub.beat()
        now = clock()
        if now - self._beaten > 1.0:
            self._beaten = now
            self._ring.ask()
            if self._desk is not None and now - self._used > KEPT:
                self._desk.close()
                self._desk = None
