"""The near store as its follower writes it: entries, lease, owner, and which entries make way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import lmdb

from ..types import Stored
from .change_log import WrittenLog, write_moment
from .format import (
    LEASE,
    LOOKED,
    OWNER,
    Lease,
    Owner,
    body_name,
    is_absent,
    name_of,
    pack,
    stem_of,
    version_in,
    write_lease,
    write_owner,
)
from .locked_file import LockedFile
from .usage import LESS, Usage, size_of, size_of_body

# A value larger than this part of the file does not fit; nor is more than this written at once.
LARGEST = 16
# What an entry has beside its body, about, in bytes.
_BESIDE = 150


class NearFile:
    """The file, written by this process alone until ``close``.

    Args:
        path: of the file.
        size: its largest size, in bytes.

    Raises:
        BlockingIOError: another process writes the file.
    """

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self._size = size
        self._usage = Usage(size)
        self._log = WrittenLog(size)
        self._file = LockedFile(path, size, lambda txn: self._usage.count(txn.cursor()))

    @property
    def owner(self) -> Owner:
        """The follower and the store of which the file is a copy."""
        return self._file.owner

    @property
    def used(self) -> int:
        """Bytes that the entries take, about."""
        return self._usage.used

    def __len__(self) -> int:
        return len(self._usage)

    def rebuild(self, keep: bool) -> None:
        """Begin with a new file; the old one is not written any more, so its lease ends."""
        self._file.rebuild(keep)
        self._usage.clear()
        self._log = WrittenLog(self._size)

    def clear(self, owner: Owner) -> None:
        """Hold nothing, and be somebody's from now on; not to be trusted yet."""
        everything = self._file.env.open_db()

        def work(txn: Any) -> None:
            txn.drop(everything, delete=False)
            txn.put(OWNER, write_owner(owner))
            self._log.begin(txn)

        self._write(work)
        self._file.owner = owner
        self._usage.clear()

    def held(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """Of these keys, those that are held, with their fingerprints."""
        held: dict[str, list[str]] = {}
        with self._file.env.begin() as txn, txn.cursor() as cursor:
            for key in keys:
                for name in _names(cursor, stem_of(key)):
                    held.setdefault(key, []).append(name[-16:].decode())
        return held

    def holds(self, key: str, fingerprint: str) -> bool:
        """Whether an entry is held; it counts as read just now."""
        return self._usage.touch(name_of(key, fingerprint))

    def put(
        self,
        entries: Iterable[Stored],
        gone: Iterable[tuple[str, str]] = (),
        owner: Owner | None = None,
        lease: Lease | None = None,
        changed: Iterable[str] = (),
        at: float | None = None,
    ) -> list[Stored]:
        """Copy entries, forget others, and then say how far the copy is true.

        Args:
            changed: the keys that were written or removed.
            at: of all that was committed before, it is a true copy then.

        Returns:
            those that do not fit.
        """
        *parts, last = self._parts(entries)
        large = [entry for part in parts for entry in self._put(part)]
        return large + self._put(last, gone, owner, lease, changed, at)

    def _put(
        self,
        entries: Iterable[Stored],
        gone: Iterable[tuple[str, str]] = (),
        owner: Owner | None = None,
        lease: Lease | None = None,
        changed: Iterable[str] = (),
        at: float | None = None,
    ) -> list[Stored]:
        """A part of it, all at once."""
        changed = list(changed)
        packed = {entry.address: (entry, *pack(entry)) for entry in entries}
        writes: dict[bytes, tuple[bytes, bytes | None]] = {}
        large: list[Stored] = []
        for address, (entry, data, body) in packed.items():
            if self._is_large(data, body):
                large.append(entry)
            else:
                writes[name_of(*address)] = data, body
        gone = [*gone, *(entry.address for entry in large)]
        removals = [name_of(*address) for address in gone]

        def work(txn: Any) -> None:
            for name in removals:
                _delete(txn, name)
            for name, (data, body) in writes.items():
                _replace(txn, name, data, body)
            if owner is not None:
                txn.put(OWNER, write_owner(owner))
            if lease is not None:
                txn.put(LEASE, write_lease(lease))
            if changed:
                self._log.add(txn, changed)
            if at is not None:
                txn.put(LOOKED, write_moment(at))

        self._write(work)
        self._file.owner = owner or self._file.owner
        self._count(writes, removals)
        return large

    def put_newer(self, entries: Iterable[Stored], changed: Sequence[str]) -> bool:
        """Copy those that are held in an earlier version, ahead of the look that finds them.

        Args:
            changed: the keys that were written or removed.

        Returns:
            whether all of it is done: that look will find nothing else.
        """
        packed = {name_of(*entry.address): (entry.version, *pack(entry)) for entry in entries}
        newer: dict[bytes, tuple[bytes, bytes | None]] = {}

        def work(txn: Any) -> None:
            for name, (version, data, body) in packed.items():
                held = txn.get(name)
                if held is not None and version_in(held) < version:
                    newer[name] = data, body
                    _replace(txn, name, data, body)
            self._log.add(txn, changed)

        if any(self._is_large(data, body) for _, data, body in packed.values()):
            return False
        self._write(work)
        self._count(newer)
        return len(packed) == len(changed)

    def _is_large(self, data: bytes, body: bytes | None) -> bool:
        return len(data) + len(body or b"") > self._size // LARGEST

    def _count(
        self, writes: Mapping[bytes, tuple[bytes, bytes | None]], removals: Iterable[bytes] = ()
    ) -> None:
        """Keep count of what is used, and let something go where it is too much."""
        sizes = {
            name: size_of(name, len(data)) + size_of_body(name, body)
            for name, (data, body) in writes.items()
        }
        absent = [name for name, (data, _) in writes.items() if is_absent(data)]
        self._usage.replace(sizes, removals, absent)
        if self._usage.used > self._usage.most:
            self.shrink(self._usage.most * LESS)

    def _parts(self, entries: Iterable[Stored]) -> list[list[Stored]]:
        """One write: the pages that it replaces can be used again only later."""
        parts: list[list[Stored]] = [[]]
        room = most = self._size // LARGEST
        for entry in entries:
            room -= size_of(entry.address.key.encode(), len(entry.body or b"") + _BESIDE)
            if room < 0 and parts[-1]:
                parts.append([])
                room = most
            parts[-1].append(entry)
        return parts

    def shrink(self, to: float) -> None:
        """Let go of what was not read for the longest, until no more than this is used."""
        names = self._usage.let_go(to)

        def work(txn: Any) -> None:
            for name in names:
                _delete(txn, name)

        self._write(work)

    def _write(self, work: Callable[[Any], object]) -> None:
        try:
            with self._file.env.begin(write=True) as txn:
                work(txn)
        except lmdb.MapFullError:
            # A reader that has stopped in the middle keeps old pages from being used again.
            self.check_readers()
            raise

    def is_in_place(self) -> bool:
        """Whether others find by their names what is written here, and the lock that is held."""
        return self._file.is_in_place()

    def check_readers(self) -> None:
        """Free the places of readers that have died."""
        self._file.env.reader_check()

    def close(self) -> None:
        """Let another process write."""
        self._file.close()


def _names(cursor: Any, stem: bytes) -> Iterator[bytes]:
    more = cursor.set_range(stem)
    while more and (name := bytes(cursor.key())).startswith(stem):
        if len(name) == len(stem) + 16:  # else a body
            yield name
        more = cursor.next()


def _replace(txn: Any, name: bytes, data: bytes, body: bytes | None) -> None:
    txn.put(name, data)
    if body is None:
        txn.delete(body_name(name))
    else:
        txn.put(body_name(name), body)


def _delete(txn: Any, name: bytes) -> None:
    txn.delete(name)
    txn.delete(body_name(name))
