"""The follower of the near store: copies what is stored anew, and forgets what is removed.

    look what was written; copy what is held of it; fill what readers ask for; renew the lease

One a host, in ``kck_listen`` or as ``kck_listen --near-only``; a second one waits until the first
is gone. It alone writes the file, one thing after the other, so no value can overtake another: what
is copied is read after the look that named it, and what is written later is named by a later look.
The lease is renewed as of the moment before a look whose keys are all copied.

What the listener of the same process has stored is copied by the listener itself, ahead of that
look: what is held, and is of an earlier version. Between two looks alone, since a look that has
read an earlier value would put it back.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from .. import stores
from ..conf import settings
from ..exceptions import ConfigurationError, Forgotten
from ..following.loop import BEAT, Loop
from ..following.process import Following, see_listed
from ..log import consumers
from ..log.consumers import Consumer
from ..log.lag import lags
from ..postgres import Cursor, describe
from ..stores.near import journal
from ..stores.near.format import Lease, clock, door_of
from ..stores.near.hold_requests import DAMAGED
from ..stores.row_versions import advance_versions
from ..stores.types import Written
from . import near_connection, near_consumer, near_lmdb
from .near_copy import Copying
from .near_loop import NearLoop
from .near_rings import Rings
from .near_socket import requests_at

logger = logging.getLogger("kck_publish")

# How many keys are fetched for readers at once.
FILL = 200
# A damaged file is set aside at most so often, in seconds.
DAMAGES = 10.0

_ALIVE = "UPDATE kck_publish_listener SET seen_at = clock_timestamp() WHERE id = %s"


class NearFollower(Following):
    """Keeps the near store of this host a true copy, until told to stop.

    Args:
        alias: the database.
        poll: never LISTEN, only look.
        say: prints a line for the operator.

    Raises:
        ConfigurationError: there is nothing to follow for, or py-lmdb is missing.
    """

    def __init__(
        self, alias: str, poll: bool = False, say: Callable[[str], None] = lambda line: None
    ) -> None:
        super().__init__()
        if settings.NEAR is None:
            raise ConfigurationError("KCK_PUBLISH['NEAR'] names no file: nothing to follow for.")
        self._say = say
        near_lmdb.file_class()  # raises where py-lmdb is missing
        self._path = ""
        self._lease: float = settings.NEAR_LEASE
        self._alias = alias
        self._poll = poll
        self.following = threading.Event()
        # Held while the file is written: a look, from its question on, and what is ahead of it.
        self._writing = threading.Lock()
        self._nudged = False
        self._hinted: deque[str] = deque(maxlen=FILL)
        self._beaten = self._renewed = self._damaged = 0.0
        self.copying = Copying()
        self._rings = Rings()

    def keep(self, keys: Sequence[str], written: Written) -> None:
        """Something has just been stored by this process: may be called from another thread.

        What is held of it is copied at once, unless a look is under way. The next look finds it
        all the same, and puts right whatever has changed meanwhile.

        Args:
            keys: whose entries they are, which then are fetched with the look itself.
            written: gives those that were written.
        """
        self._hinted.extend(keys)
        self._nudged = True
        if not self._copied_at_once(keys, written) or self.is_asleep:
            self.wake()

    def _copied_at_once(self, keys: Sequence[str], written: Written) -> bool:
        if not self._writing.acquire(blocking=False):
            return False
        try:
            if not self.following.is_set() or not (entries := written()):
                return False
            is_done = self._near.file.put_newer(entries, keys)
            self._rings.ring()
            return bool(is_done)
        except near_lmdb.error_class():
            return False  # the look meets it, too, and begins anew
        finally:
            self._writing.release()

    @contextmanager
    def connected(self) -> Iterator[Loop]:
        """The file and the connections, with what has been missed made good."""
        self._path = self._path or near_connection.path_of(self._alias)
        with near_connection.connected(self._alias, self._path, not self._poll) as self._near:
            file = self._near.file
            with self._near.desk.cursor() as cursor:
                advance_versions(cursor)
                consumer = near_consumer.resume(cursor, file.owner)
            try:
                self._consumer = consumer or self._begun(file)
                yield NearLoop(self, file, self._near.bell, self._stopped, self.moments)
            finally:
                with self._writing:
                    self.following.clear()

    def passes(self, error: Exception) -> bool:
        """Readers ask the store meanwhile."""
        return not isinstance(error, ConfigurationError)

    def lost(self, error: Exception) -> None:
        """Say so."""
        logger.warning(
            "The near store cannot be followed (%s): readers ask the store.", describe(error)
        )

    def found(self, seconds: float) -> None:
        """Say so."""
        logger.warning("The near store is followed again after %.1f s.", seconds)

    @property
    def nap(self) -> float:
        """The time that readers can do without a look, in seconds."""
        return self._lease / 4

    def take_nudge(self) -> bool:
        """Whether somebody has nudged since this was last asked."""
        nudged, self._nudged = self._nudged, False
        return nudged

    def announce(self) -> None:
        """Say that the near store follows now, the first time."""
        if not self.following.is_set():
            self.following.set()
            self._say(f"kck_listen ready: the near store {self._path}")

    def look(self, file: Any) -> bool:
        """Copy what was written since the last look; whether there was anything."""
        with self._writing:
            try:
                return self._look(file)
            except Forgotten:
                self._consumer = self._begun(file)
            except near_lmdb.error_class() as error:
                self._broken(file, error)
        return True

    def _look(self, file: Any) -> bool:
        asked = self._rings.heard(self._path, requests_at(self._near.door, FILL))
        if DAMAGED in (fingerprint for _, fingerprint in asked):
            if clock() - self._damaged > DAMAGES:
                self._broken(file, None)
            asked = []
        at = clock()
        with self._near.desk.cursor() as cursor:
            keys = {self._hinted.popleft() for _ in range(len(self._hinted))}
            hinted = self.copying.hints(file, keys)
            query = stores.current().previous_query(hinted) if hinted else None
            seen, rows = journal.unseen(self._near.desk, self._consumer, file.owner.done, query)
            if seen.keys is None:
                stores.current().look_again()
                file.clear(replace(file.owner, done=seen.until))
                self.copying.forget()
            elif seen.keys:
                self.copying.copy(cursor, file, seen, hinted, rows, at)
            if asked:
                self.copying.fill(cursor, file, asked, at)
            if clock() - self._renewed > self._lease / 5:
                self._renew(cursor, file, at, seen.until)
            has_changed = seen.keys is None or bool(seen.keys)
            if has_changed or asked:
                self._rings.ring()
            return has_changed

    def _renew(self, cursor: Cursor, file: Any, at: float, until: str) -> None:
        """Readers may trust the file a while longer: at that moment everything was copied."""
        lag = lags(cursor).longest
        owner = replace(file.owner, done=until)
        file.put((), owner=owner, lease=Lease(at + self._lease, at, lag), at=at)
        self._renewed = at
        if time.monotonic() - self._beaten > BEAT:
            self._beaten = time.monotonic()
            if not (file.is_in_place() and os.path.exists(door_of(self._path))):
                raise FileNotFoundError  # somebody has moved it away: open it anew
            self._consumer = consumers.advance(cursor, self._consumer, until)
            cursor.execute(_ALIVE, [self._near.bell.id])
            see_listed(cursor.rowcount)
            file.check_readers()

    def _begun(self, file: Any) -> Consumer:
        """Begin with an empty file."""
        self.following.clear()
        self.copying.forget()
        self._renewed = 0.0
        return near_consumer.begin(self._near.desk, file, self._stopped)

    def _broken(self, file: Any, error: Exception | None) -> None:
        """The file cannot be used as it is: another one, which begins empty."""
        self._damaged = clock()
        full = error is not None and "Full" in type(error).__name__
        logger.error(
            "The near store %s %s: it is begun anew.",
            self._path,
            "is full of pages that a stopped reader holds" if full else "is damaged",
        )
        file.rebuild(keep=not full)
        self._consumer = self._begun(file)
