"""The near store's file as its follower writes it: entries, lease, owner, and what makes way.

One process of a host writes, under a lock; all others read. Nothing is synced to the disk: the file
is a copy, and one that was written before the host was last started is begun anew. So is one that
is damaged, or somebody else's, which is set aside.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import lmdb

from ..types import Stored
from . import reader
from .format import (
    LEASE,
    OWNER,
    Lease,
    Owner,
    body_name,
    boot,
    inode_of,
    lock_name,
    name_of,
    pack,
    read_owner,
    stem_of,
    write_lease,
    write_owner,
)
from .reader import READERS, is_cut_short

logger = logging.getLogger("kck_publish")

# What may be used of the file: LMDB never overwrites a page that may be read, it writes another.
USED = 0.6
# What does not fit: a value larger than this part of the file.
LARGEST = 16
# How much makes way at once, when something must.
LESS = 0.9
_PAGE = 4096
# What an entry has beside its body, about, in bytes.
_BESIDE = 150


class NearFile:
    """The file, written by this process alone until ``close``.

    Args:
        path: of the file.
        size: its largest size, in bytes.
    """

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self._size = size
        self._env: Any = None
        # What is held, the least lately read first, with its size: an estimate, in pages.
        self._held: dict[bytes, int] = {}
        self._used = 0
        self._lock = os.open(lock_name(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            reader.lend(path, None)
            self.owner = self._open()
        except BlockingIOError:
            os.close(self._lock)
            raise
        except BaseException:
            reader.take_back(path)
            os.close(self._lock)
            raise

    def _open(self) -> Owner:
        """Take over the file that is there, or make one."""
        try:
            if os.path.exists(self.path):
                self._env = self._environment()
                if is_cut_short(self._env, self.path):
                    raise lmdb.CorruptedError("the file is too short")
                with self._env.begin() as txn:
                    owner = read_owner(txn.get(OWNER))
                    if owner is not None and owner.size == self._size:
                        reader.lend(self.path, self._env)
                        self._count(txn)
                        self._env.reader_check()
                        return owner
                    ours = owner is not None or _is_ours(txn.get(OWNER))
                self._close_environment()
                self.set_aside(keep=not ours)
        except (lmdb.Error, OSError) as error:
            logger.error(
                "The near store %s cannot be opened (%s): it is set aside.",
                self.path,
                type(error).__name__,
            )
            self._close_environment()
            self.set_aside(keep=True)
        return self._make()

    def _make(self) -> Owner:
        owner = Owner(secrets.token_hex(8), boot(), self._size)
        # Made under another name: readers look for it by its own.
        making = f"{self.path}-new"
        for name in (making, f"{making}-lock"):
            with suppress(FileNotFoundError):
                os.unlink(name)
        with (
            lmdb.open(making, subdir=False, map_size=self._size, mode=0o600) as env,
            env.begin(write=True) as txn,
        ):
            txn.put(OWNER, write_owner(owner))
        with suppress(FileNotFoundError):
            os.unlink(f"{self.path}-lock")
        os.rename(f"{making}-lock", f"{self.path}-lock")
        os.rename(making, self.path)
        self._env = self._environment()
        reader.lend(self.path, self._env)
        self._held, self._used = {}, 0
        return owner

    def _environment(self) -> Any:
        self._inodes = inode_of(self.path), inode_of(f"{self.path}-lock")
        return lmdb.open(
            self.path,
            subdir=False,
            map_size=self._size,
            max_readers=READERS,
            sync=False,
            metasync=False,
            create=False,
            max_spare_txns=0,
            mode=0o600,
        )

    def set_aside(self, keep: bool) -> None:
        """Take the file away from where readers look; whether it is kept for somebody to see."""
        aside = f"{self.path}.bad-{time.time():.0f}"
        for name, to in ((self.path, aside), (f"{self.path}-lock", f"{aside}-lock")):
            with suppress(FileNotFoundError):
                if keep:
                    os.rename(name, to)
                else:
                    os.unlink(name)
        if keep:
            logger.warning("What was there instead of a near store is now %s.", aside)

    def rebuild(self, keep: bool) -> None:
        """Begin with a new file; the old one is not written any more, so its lease ends."""
        self._close_environment()
        self.set_aside(keep)
        self.owner = self._make()

    def clear(self, owner: Owner) -> None:
        """Hold nothing, and be somebody's from now on; not to be trusted yet."""

        everything = self._env.open_db()

        def work(txn: Any) -> None:
            txn.drop(everything, delete=False)
            txn.put(OWNER, write_owner(owner))

        self._write(work)
        self.owner, self._held, self._used = owner, {}, 0

    def held(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """Of these keys, those that are held, with their fingerprints."""
        found: dict[str, list[str]] = {}
        with self._env.begin() as txn, txn.cursor() as cursor:
            for key in keys:
                for name in _names(cursor, stem_of(key)):
                    found.setdefault(key, []).append(name[-16:].decode())
        return found

    def holds(self, key: str, fingerprint: str) -> bool:
        """Whether an entry is held; it counts as read just now."""
        name = name_of(key, fingerprint)
        size = self._held.pop(name, None)
        if size is not None:
            self._held[name] = size
        return size is not None

    def put(
        self,
        entries: Iterable[Stored],
        gone: Iterable[tuple[str, str]] = (),
        owner: Owner | None = None,
        lease: Lease | None = None,
    ) -> list[Stored]:
        """Copy entries, forget others, and then say how far the copy is true.

        Returns:
            those that do not fit.
        """
        *parts, last = self._parts(entries)
        large = [one for part in parts for one in self._put(part)]
        return large + self._put(last, gone, owner, lease)

    def _put(
        self,
        entries: Iterable[Stored],
        gone: Iterable[tuple[str, str]] = (),
        owner: Owner | None = None,
        lease: Lease | None = None,
    ) -> list[Stored]:
        """A part of it, all at once."""
        packed = {(one.address.key, one.address.fingerprint): (one, *pack(one)) for one in entries}
        writes: dict[bytes, tuple[bytes, bytes | None]] = {}
        large: list[Stored] = []
        for address, (one, data, body) in packed.items():
            if len(data) + len(body or b"") > self._size // LARGEST:
                large.append(one)
            else:
                writes[name_of(*address)] = data, body
        gone = [*gone, *((one.address.key, one.address.fingerprint) for one in large)]
        removals = [name_of(*address) for address in gone]

        def work(txn: Any) -> None:
            for name in removals:
                _delete(txn, name)
            for name, (data, body) in writes.items():
                txn.put(name, data)
                if body is None:
                    txn.delete(body_name(name))
                else:
                    txn.put(body_name(name), body)
            if owner is not None:
                txn.put(OWNER, write_owner(owner))
            if lease is not None:
                txn.put(LEASE, write_lease(lease))

        self._write(work)
        self.owner = owner or self.owner
        sizes = {
            name: _size_of(name, len(data)) + _size_of_body(name, body)
            for name, (data, body) in writes.items()
        }
        self._account(sizes, removals)
        return large

    def _parts(self, entries: Iterable[Stored]) -> list[list[Stored]]:
        """What is written at once: the pages that it replaces can be used again only later."""
        parts: list[list[Stored]] = [[]]
        room = most = self._size // LARGEST
        for one in entries:
            room -= _size_of(one.address.key.encode(), len(one.body or b"") + _BESIDE)
            if room < 0 and parts[-1]:
                parts.append([])
                room = most
            parts[-1].append(one)
        return parts

    def _account(self, sizes: Mapping[bytes, int], removals: Iterable[bytes]) -> None:
        for name in removals:
            self._used -= self._held.pop(name, 0)
        for name, size in sizes.items():
            self._used += size - self._held.get(name, 0)
            self._held[name] = size  # where it is already, it keeps its place
        if self._used > self._size * USED:
            self.shrink(self._size * USED * LESS)

    def shrink(self, to: float) -> None:
        """Let go of what was not read for the longest, until no more than this is used."""
        names = []
        for name, size in self._held.items():
            if self._used <= to:
                break
            self._used -= size
            names.append(name)
        for name in names:
            del self._held[name]

        def work(txn: Any) -> None:
            for name in names:
                _delete(txn, name)

        self._write(work)

    def _write(self, work: Callable[[Any], object]) -> None:
        try:
            with self._env.begin(write=True) as txn:
                work(txn)
        except lmdb.MapFullError:
            # A reader that has stopped in the middle keeps old pages from being used again.
            self._env.reader_check()
            raise

    def _count(self, txn: Any) -> None:
        self._held = {}
        for name, data in txn.cursor():
            if not name.startswith(b"\0"):
                # A body comes right after its entry.
                entry = name[:-1] if name[:-1] in self._held else name
                self._held[entry] = self._held.get(entry, 0) + _size_of(name, len(data))
        self._used = sum(self._held.values())

    def is_in_place(self) -> bool:
        """Whether others find by their names what is written here, and the lock that is held."""
        named = (inode_of(self.path), inode_of(f"{self.path}-lock"), inode_of(lock_name(self.path)))
        lock = os.fstat(self._lock)
        return named == (*self._inodes, (lock.st_dev, lock.st_ino))

    def check_readers(self) -> None:
        """Free the places of readers that have died."""
        self._env.reader_check()

    @property
    def used(self) -> int:
        """Bytes that the entries take, about."""
        return self._used

    def __len__(self) -> int:
        return len(self._held)

    def _close_environment(self) -> None:
        env, self._env = self._env, None
        if env is not None:
            reader.lend(self.path, None)
            env.close()

    def close(self) -> None:
        """Let another process write."""
        self._close_environment()
        reader.take_back(self.path)
        os.close(self._lock)


def _names(cursor: Any, stem: bytes) -> Iterator[bytes]:
    more = cursor.set_range(stem)
    while more and (name := bytes(cursor.key())).startswith(stem):
        if len(name) == len(stem) + 16:  # else a body
            yield name
        more = cursor.next()


def _delete(txn: Any, name: bytes) -> None:
    txn.delete(name)
    txn.delete(body_name(name))


def _size_of(name: bytes, length: int) -> int:
    """What an entry takes: pages of its own, or a part of one (they are two thirds full)."""
    if length > _PAGE // 2 - 64:
        return -(-(length + 16) // _PAGE) * _PAGE + (len(name) + 32) * 3 // 2
    return (len(name) + length + 16) * 3 // 2


def _size_of_body(name: bytes, body: bytes | None) -> int:
    return 0 if body is None else _size_of(body_name(name), len(body))


def _is_ours(data: bytes | None) -> bool:
    return data is not None and b"kck_publish near store" in data
