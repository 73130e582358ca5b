"""The hub: one a process, which reads each changed and watched key once for all who watch it.

It is a ``Follower`` in one thread with two connections, however many streams there are; where the
host has a near store it follows that file instead, with none (see ``near_file``). It keeps
nothing that a later one would need, so its cursor is its own and ends with it: it begins anew with
what is stored, and whoever watches is told what differs from what they had.
"""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import psycopg

from ...conf import settings
from ...following.doorbell import listener_name
from ...following.follower import Follower
from ...following.loop import BEAT
from ...following.process import Stopping, close_thread
from ...following.stored_products import StoredProduct
from ...following.stream import Stream
from ...log.keys import product_of
from ...postgres import connect
from ...stores.near.format import clock
from ...stores.near.journal import HUB
from .client import Client, wake
from .clients import Clients
from .events import Event, event_of
from .mailbox import Mailbox
from .near_source import NearSource
from .priming import Priming
from .resumed_streams import Resumes
from .watched_stream import WatchedStream
from .watchers import Board

logger = logging.getLogger("kck_publish")

# Seconds for which a hub that nobody needs goes on: a page that is loaded again comes back to it.
LINGER = 3.0


class Hub(Follower):
    """Follows what is stored, for those who watch in this process.

    Args:
        retire: called when it is to end: nobody has watched for some time, or (True) it cannot go
            on, whoever watches.
    """

    def __init__(self, retire: Callable[[Hub, bool], None]) -> None:
        self._retire = retire
        self.name = f"{HUB}{listener_name()}:{secrets.token_hex(4)}"
        self.process.installs = False
        self._lock = threading.Lock()
        self._board = Board()
        self._resumes = Resumes()
        self._joined: dict[str, list[Mailbox]] = {}
        self._thread = threading.Thread(target=self._run, name="kck-live", daemon=True)
        self._priming = Priming(self._primed)
        self._clients = Clients()
        self._touched: set[str] = set()
        self._beaten = 0.0
        self._near = NearSource(self)
        self.reads = 0

    def start(self) -> None:
        """Begin to follow, in a thread."""
        self._thread.start()

    @property
    def clients(self) -> list[Client]:
        """Those who watch."""
        with self._lock:
            return list(self._clients.all)

    @property
    def count(self) -> int:
        """How many watch."""
        return len(self._clients.all)

    def count_of(self, user: object) -> int:
        """How many of a user's streams watch."""
        return self._clients.by_user[user]

    def join(self, client: Client) -> None:
        """A client watches its keys: it is told what they are, and what they become."""
        with self._lock:
            self._clients.add(client)
            self._resumes.recall(client)
            client.joined = clock()
            self._board.join(client)
        self.wake()

    def wake(self) -> None:
        """Look at once, whatever it follows."""
        self.process.wake()
        self._near.wake()

    def stop(self) -> None:
        super().stop()
        self.wake()

    def leave(self, client: Client) -> None:
        """A client has gone."""
        with self._lock:
            if self._clients.remove(client):
                self._resumes.remember(client)
            self._board.leave(client)

    def drop(self, client: Client, key: str) -> None:
        """A client watches a key no longer."""
        with self._lock:
            self._board.leave(client, [key])
            client.drop(key)

    def take(self, client: Client, now: float) -> tuple[Event | None, float | None]:
        """What a client is to be sent next, and in how many seconds to ask again."""
        with self._lock:
            event = client.take(now)
            return event, None if event else client.due_in(now)

    # In the hub's thread.

    def streams(self, desk: psycopg.Connection[Any]) -> list[Stream]:
        return [WatchedStream(desk, self)]

    def reset(self, reason: str) -> None:
        """It begins anew with what is stored."""

    def watches(self, key: str) -> bool:
        """Whether anybody watches a key; that it was written is noted for who watches products."""
        if self._clients.by_product[product := product_of(key)] > 0:
            self._touched.add(product)
        return key in self._board

    def tell_touched(self, everything: bool = False) -> None:
        """Wake those who watch whole products."""
        if not (self._touched or everything):
            return
        touched, self._touched = self._touched, set()
        with self._lock:
            told = self._clients.touch(None if everything else touched)
        wake(told)

    @property
    def watched(self) -> list[str]:
        """Every key that anybody watches."""
        with self._lock:
            return self._board.keys

    def asked(self) -> list[str]:
        """The keys that are to be read now, for those who have joined."""
        with self._lock:
            return self._board.asked()

    def begin(self, keys: Iterable[str], at: float = math.inf) -> None:
        """These are read from now on; ``at``: in a copy that is true as of this moment."""
        with self._lock:
            self._joined = self._board.begin(keys, at)

    def stored(self, batch: list[StoredProduct]) -> None:
        """Tell the watchers what was read."""
        self.reads += len(batch)
        found = {product.key: event_of(product) for product in batch if product.version is not None}
        with self._lock:
            told, missing = self._board.end(self._joined, found)
        wake(told)
        for key in missing:
            self._priming.ask(key)

    def beat(self) -> None:
        """Called with each look: sees to keys that expire, and ends when nobody has watched."""
        now = time.monotonic()
        if now - self._beaten < BEAT:
            return
        self._beaten = now
        self._priming.renew(self.watched)
        if self._clients.is_idle(LINGER):
            self._retire(self, False)
        if self._near.is_back():
            raise Stopping  # of following PostgreSQL

    def _primed(self, key: str, exists: bool) -> None:
        """A miss was computed, in a thread of the pool."""
        with self._lock:
            told = set() if exists else self._board.absent(key)
            if exists:
                self._board.ask(key)
        wake(told)
        self.wake()

    def _run(self) -> None:
        try:
            while not self.process.stopping:
                self._near.follow()
                if not self.process.stopping:
                    self.run()
        except Exception:
            logger.exception("The live hub has ended: its streams end, and begin anew.")
        finally:
            self._retire(self, True)
            for client in self.clients:
                client.close()
            close_thread()

    def run(self) -> None:
        """Follow PostgreSQL, until the hub is to end or a near store is there."""
        try:
            super().run()
        finally:
            with suppress(psycopg.Error):
                self._forget()

    def _forget(self) -> None:
        """Have the journal kept for it no longer."""
        with connect(settings.DATABASE) as connection:
            connection.execute("DELETE FROM kck_publish_consumer WHERE name = %s", [self.name])

    def end(self, seconds: float = 5.0) -> None:
        """End, and wait for it so long."""
        self.stop()
        self._thread.join(seconds)
