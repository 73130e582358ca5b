"""Whether the near store's file is still kept true: its lease, and the file as a reader has it.

The lease is renewed by ``listener.near_follower``; here it is read again when it has ended. One
open environment a process, which threads share; it is closed before a fork and opened again when it
is next read. A file that is not there, not ours, or no longer renewed is as if it were not there:
it is looked at again now and then.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections

from ...conf import settings
from ...exceptions import UntrustedNearFile
from . import open_files
from .file_owner import require_own
from .format import (
    LEASE,
    OWNER,
    READERS,
    Lease,
    clock,
    inode_of,
    is_cut_short,
    read_lease,
    read_owner,
)
from .hold_requests import DAMAGED, Follower

try:
    import lmdb
except ImportError:  # the extra "near" is not installed
    lmdb = None  # type: ignore[assignment]

logger = logging.getLogger("kck_publish")

# Seconds between two looks for a file, or a lease, that was not there.
AGAIN = 0.1


class ReaderFile:
    """One process's view of the file.

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
        # Before that this process has said that nothing is read here: see ``reader``.
        self._since = 0.0
        self._follower = Follower(path)
        self._complained = False
        # The database that the file was last found to be of, and whether it is ours.
        self._judged = "", True
        self._lock = threading.Lock()

    @property
    def is_followed(self) -> bool:
        """Whether the lease holds: a process keeps the copy true."""
        return clock() < self._lease.until or self._is_renewed()

    def close(self) -> None:
        """Let go of the file; it is opened again when it is next read."""
        with self._lock:
            self._close()
            self._follower.close()

    def _is_renewed(self) -> bool:
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
            except Exception as error:  # noqa: BLE001 - damaged, perhaps: as if it were not there
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
        # Cut short, of another format, or of another start of the host: the follower's affair. But
        # look again: a file is shorter than it says also while its last pages were never needed.
        if is_cut_short(env, self.path) or read_owner(env.begin().get(OWNER)) is None:
            if env is not lent:
                env.close()
            return
        self._env, self._inode, self._complained = env, inode, False
        self._take(env)

    def _take(self, env: Any) -> None:
        records = env.begin()
        lease, owner = read_lease(records.get(LEASE)), read_owner(records.get(OWNER))
        if owner is not None and not self._is_of_ours(owner.cluster.rpartition("/")[2]):
            lease = Lease(0.0, 0.0, -1.0)
        self._written = lease
        self._lease = lease if lease.at >= self._since else Lease(0.0, 0.0, -1.0)

    def _is_of_ours(self, name: str) -> bool:
        """Whether a file of the database of this name is of the one that this process reads."""
        if name != self._judged[0]:
            connection = connections[settings.DATABASE]
            ours = connection.settings_dict.get("NAME")
            if ours != name:  # a pooler may have another name for it
                try:
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT current_database()")
                        (ours,) = cursor.fetchone()
                except SynchronousOnlyOperation:
                    return False  # until a thread looks that may wait
            self._judged = name, ours == name
            if ours != name:
                logger.error(
                    "%s is the near store of the database %r, and this process reads %r: it is "
                    "not used. Give each database a NEAR of its own.",
                    self.path,
                    name,
                    ours,
                )
        return self._judged[1]

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
            self._follower.ask("", DAMAGED)
        with self._lock:
            self._close()
        self._again = clock() + AGAIN
        self._complain(error)

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            why = str(error) if isinstance(error, UntrustedNearFile) else type(error).__name__
            logger.error("The near store cannot be read (%s): its readers ask the store.", why)
