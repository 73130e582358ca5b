"""The near store as its readers see it: an LMDB file that only ``writer`` writes.

One open environment a process, which threads share; it is closed before a fork and opened again
when it is next read. While the lease holds, what is in the file is true as of at most its length
ago. A file that is not there, not ours, or no longer renewed is as if it were not there: it is
looked at again now and then.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from itertools import compress
from time import clock_gettime
from typing import Any, TypeVar

from ...exceptions import UntrustedNearFile
from ...log.snapshot import NOTHING, Snapshot
from ..types import Stored
from . import open_files
from .format import (
    CLOCK,
    LEASE,
    OWNER,
    READERS,
    Lease,
    body_name,
    clock,
    inode_of,
    is_cut_short,
    name_of,
    read_lease,
    read_owner,
    unpack,
)
from .hold_requests import DAMAGED, Follower, telling, tells
from .ownership import require_own

try:
    import lmdb
except ImportError:  # the extra "near" is not installed
    lmdb = None  # type: ignore[assignment]

logger = logging.getLogger("kck_publish")

# Seconds between two looks for a file, or a lease, that was not there.
AGAIN = 0.1

T = TypeVar("T")


class NearReader:
    """One process's view of the near store.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._env: Any = None
        self._inode: tuple[int, int] | None = None
        self._lease = Lease(0.0, 0.0, -1.0)
        # As the file has it, which may be of before ``_since``.
        self._written = self._lease
        self._again = 0.0
        # Before that this process has said that nothing is read here: see ``_done``.
        self._since = 0.0
        self._follower = Follower(path)
        self._complained = False
        self._lock = threading.Lock()

    def get(self, key: str, fingerprint: str) -> Stored | None:
        """An entry; None: it is not here, or not to be trusted."""
        name = name_of(key, fingerprint)
        data, body = self.read_many([name, body_name(name)])
        if data is None:
            return None
        if tells():
            self.ask(key, fingerprint)
        return unpack(key, fingerprint, data, body)

    def read(self, name: bytes) -> bytes | None:
        """A record (see ``format``), mostly a body; None: as ``get``."""
        if clock_gettime(CLOCK) >= self._lease.until and not self._renewed():
            return None
        try:
            data: bytes | None = self._env.begin().get(name)
        except Exception as error:  # noqa: BLE001 - closed meanwhile, damaged: not here
            self._lose(error)
            return None
        if tells():
            self._follower.ask_for_body(name)
        return data

    def read_many(self, names: Sequence[bytes]) -> list[bytes | None]:
        """As ``read``, all of one moment."""
        if clock_gettime(CLOCK) >= self._lease.until and not self._renewed():
            return [None] * len(names)
        try:
            records: list[bytes | None] = list(map(self._env.begin().get, names))
        except Exception as error:  # noqa: BLE001 - as above
            self._lose(error)
            return [None] * len(names)
        for name in compress(names, telling):
            self._follower.ask_for_body(name)
        return records

    def within(self, look: Callable[[Any], T]) -> T | None:
        """What is found in one transaction; None: nothing here is to be trusted."""
        if clock_gettime(CLOCK) >= self._lease.until and not self._renewed():
            return None
        try:
            return look(self._env.begin())
        except Exception as error:  # noqa: BLE001 - as above
            self._lose(error)
            return None

    @property
    def is_followed(self) -> bool:
        """Whether the lease holds: a process keeps the copy true."""
        return clock() < self._lease.until or self._renewed()

    @property
    def lag(self) -> float:
        """The greatest possible lag of the listener, in seconds; infinite where it is not known."""
        if not self.is_followed:
            return float("inf")
        lease = self._lease
        return lease.lag + clock() - lease.at if lease.lag >= 0 else float("inf")

    def includes(self, snapshot: str) -> bool:
        """Whether whoever reads here from now on sees what was stored up to this snapshot."""
        done = self._done()
        return done is None or done.includes(Snapshot.parse(snapshot))

    def sees(self, xid: int) -> bool:
        """Whether whoever reads here from now on sees what this transaction stored."""
        done = self._done()
        return done is None or done.sees(xid)

    def _done(self) -> Snapshot | None:
        """The store that the file is a true copy of; None: nothing is read here until a later look.

        A lease that is renewed after this was said may be of an earlier look: it does not count.
        So it is not said again while the file has a lease, or who asks often would never have one.
        """
        if clock() >= self._lease.until and not self._renewed():
            with self._lock:
                now = clock()
                if now >= self._written.until:
                    self._since = now
                    return None
        try:
            owner = read_owner(self._env.begin().get(OWNER))
        except Exception as error:  # noqa: BLE001 - as above
            self._lose(error)
            owner = None  # there was a lease just now: it is not said that nothing is read
        done = owner.done if owner is not None else ""
        return Snapshot.parse(done or NOTHING)

    def ask(self, key: str, fingerprint: str) -> None:
        """Ask the follower to hold a key, or to go on holding it; it may be busy, or gone."""
        self._follower.ask(key, fingerprint)

    def close(self) -> None:
        """Let go of the file; it is opened again when it is next read."""
        with self._lock:
            self._close()
            self._follower.close()

    def _renewed(self) -> bool:
        """Look for the lease again, in a new file perhaps; whether it holds."""
        now = clock()
        if now < self._again:
            return False
        with self._lock:
            if open_files.forking:  # nothing may be open when the child begins
                return False
            try:
                if self._env is not None:
                    self._take(self._env)
                if self._lease.until <= now and inode_of(self.path) != self._inode:
                    self._open()
            except Exception as error:  # noqa: BLE001 - as above
                self._close()
                self._complain(error)
            if self._lease.until <= now:
                left = self._written.until - now  # looked at again while it holds
                self._again = now + (min(AGAIN, left / 2) if left > 0 else AGAIN)
                return False
            return self._env is not None

    def _open(self) -> None:
        self._close()
        if lmdb is None:
            raise ImportError("py-lmdb is not installed: pip install kck_publish[near]")
        inode = inode_of(self.path)
        if inode is None:
            return
        try:
            for name in (self.path, f"{self.path}-lock"):
                require_own(name)
        except FileNotFoundError:  # the follower is just making another
            return
        lent = open_files.lent.get(self.path)
        if lent is None and self.path in open_files.lent:
            return
        env = lent or lmdb.open(
            self.path, subdir=False, readonly=True, create=False, map_size=0, max_readers=READERS
        )
        self._inode = inode
        # Cut short, of another format, or of another start of the host: the follower's affair.
        if is_cut_short(env, self.path) or read_owner(env.begin().get(OWNER)) is None:
            if env is not lent:
                env.close()
            return
        self._env, self._complained = env, False
        self._take(env)

    def _take(self, env: Any) -> None:
        self._written = lease = read_lease(env.begin().get(LEASE))
        self._lease = lease if lease.at >= self._since else Lease(0.0, 0.0, -1.0)

    def _close(self) -> None:
        self._written = self._lease = Lease(0.0, 0.0, -1.0)
        self._inode = None
        env, self._env = self._env, None
        if env is not None and env is not open_files.lent.get(self.path):
            env.close()  # waits for who is just reading

    def _lose(self, error: Exception) -> None:
        if self._env is None:  # closed by another thread
            return
        if isinstance(error, lmdb.Error):
            self.ask("", DAMAGED)
        with self._lock:
            self._close()
        self._again = clock() + AGAIN
        self._complain(error)

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            why = str(error) if isinstance(error, UntrustedNearFile) else type(error).__name__
            logger.error("The near store cannot be read (%s): its readers ask the store.", why)


def reader(path: str) -> NearReader:
    """This process's reader of the file."""
    known = open_files.readers.get(path)
    return known if known is not None else open_files.readers.setdefault(path, NearReader(path))
