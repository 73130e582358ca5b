"""The near store's file on the disk: who writes it, how it is made, and when it is set aside.

One process of a host writes, under a lock. Nothing is synced to the disk: the file is a copy, and a
file that was written before the host was last started is begun anew. So is a damaged file, or
somebody else's, which is set aside.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from glob import escape, glob
from typing import Any

import lmdb

from ...exceptions import UntrustedNearFile
from . import open_files
from .file_owner import require_own, require_own_folder
from .format import (
    MAGIC,
    OWNER,
    READERS,
    Owner,
    boot,
    inode_of,
    is_cut_short,
    lock_name,
    read_owner,
    write_owner,
)

logger = logging.getLogger("kck_publish")


class LockedFile:
    """The file, open for writing by this process alone until ``close``.

    Args:
        path: of the file.
        size: its largest size, in bytes.
        read: reads a file that is taken over, in a transaction; what it raises sets the file aside.

    Attributes:
        env: the LMDB environment.
        owner: whose copy the file is.

    Raises:
        BlockingIOError: another process writes the file.
    """

    def __init__(self, path: str, size: int, read: Callable[[Any], object]) -> None:
        self._path = path
        self._size = size
        self._read = read
        self.env: Any = None
        require_own_folder(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._lock = os.open(lock_name(path), flags, 0o600)
        try:
            require_own(lock_name(path))
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            open_files.lend(path, None)
            self.owner = self._taken_over() or self._make()
        except (BlockingIOError, UntrustedNearFile):
            os.close(self._lock)
            raise
        except BaseException:
            open_files.take_back(path)
            os.close(self._lock)
            raise

    def rebuild(self, keep: bool) -> None:
        """Begin with a new file; the old one is not written any more, so its lease ends."""
        self._close_environment()
        self._set_aside(keep)
        self.owner = self._make()

    def is_in_place(self) -> bool:
        """Whether others find by their names what is written here, and the lock that is held."""
        paths = (self._path, f"{self._path}-lock", lock_name(self._path))
        lock = os.fstat(self._lock)
        return tuple(map(inode_of, paths)) == (*self._inodes, (lock.st_dev, lock.st_ino))

    def close(self) -> None:
        """Let another process write."""
        self._close_environment()
        open_files.take_back(self._path)
        os.close(self._lock)

    def _taken_over(self) -> Owner | None:
        """Open the file that is there; None where there is none to go on with."""
        try:
            if not os.path.lexists(self._path):
                return None
            self._open_environment()
            if is_cut_short(self.env, self._path):
                raise lmdb.CorruptedError("the file is too short")
            with self.env.begin() as txn:
                data = txn.get(OWNER)
                owner = read_owner(data)
                if owner is not None and owner.size == self._size:
                    open_files.lend(self._path, self.env)
                    self._read(txn)
                    self.env.reader_check()
                    return owner
            self._close_environment()
            self._set_aside(keep=owner is None and not _is_ours(data))
        except (lmdb.Error, OSError, UntrustedNearFile) as error:
            logger.error(
                "The near store %s cannot be opened (%s): it is set aside.",
                self._path,
                type(error).__name__,
            )
            self._close_environment()
            self._set_aside(keep=True)
        return None

    def _make(self) -> Owner:
        owner = Owner(secrets.token_hex(8), boot(), self._size)
        # Made under another name: readers look for it by its own.
        for left in glob(f"{escape(self._path)}-new-*"):  # by a follower that was killed
            os.unlink(left)
        making = f"{self._path}-new-{secrets.token_hex(16)}"
        with (
            lmdb.open(making, subdir=False, map_size=self._size, mode=0o600) as env,
            env.begin(write=True) as txn,
        ):
            txn.put(OWNER, write_owner(owner))
        with suppress(FileNotFoundError):
            os.unlink(f"{self._path}-lock")
        os.rename(f"{making}-lock", f"{self._path}-lock")
        os.rename(making, self._path)
        self._open_environment()
        open_files.lend(self._path, self.env)
        return owner

    def _set_aside(self, keep: bool) -> None:
        """Take the file away from where readers look; whether it is kept for somebody to see."""
        aside = f"{self._path}.bad-{time.time():.0f}"
        for name, to in ((self._path, aside), (f"{self._path}-lock", f"{aside}-lock")):
            with suppress(FileNotFoundError):
                if keep:
                    os.rename(name, to)
                else:
                    os.unlink(name)
        if keep:
            logger.warning("What was there instead of a near store is now %s.", aside)

    def _open_environment(self) -> None:
        for name in (self._path, f"{self._path}-lock"):
            require_own(name)
        self._inodes = inode_of(self._path), inode_of(f"{self._path}-lock")
        self.env = lmdb.open(
            self._path,
            subdir=False,
            map_size=self._size,
            max_readers=READERS,
            sync=False,
            metasync=False,
            create=False,
            max_spare_txns=0,
            mode=0o600,
        )

    def _close_environment(self) -> None:
        env, self.env = self.env, None
        if env is not None:
            open_files.lend(self._path, None)
            env.close()


def _is_ours(data: bytes | None) -> bool:
    return data is not None and MAGIC.encode() in data
