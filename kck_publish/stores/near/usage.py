"""The contents of a near store's file, the least recently read first, with their sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from .format import body_name, is_absent

# What may be used of the file: LMDB never overwrites a page that may be read, it writes another.
USED = 0.6
# Of that, how much is left after entries had to make way.
LESS = 0.9
_PAGE = 4096


class Usage:
    """The entries of a file and their sizes: an estimate, in pages.

    Args:
        size: the file's largest size, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: dict[bytes, int] = {}
        # Those of them that say that there is nothing: they make way first.
        self._absent: dict[bytes, None] = {}
        self.used = 0

    def __len__(self) -> int:
        return len(self._held)

    def clear(self) -> None:
        """Nothing is held."""
        self._held, self._absent, self.used = {}, {}, 0

    def count(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Count what a file holds: its names and their bytes, in the file's order."""
        held: dict[bytes, int] = {}
        self._absent = {}
        for name, data in records:
            if not name.startswith(b"\0"):
                # A body comes right after its entry.
                entry = name[:-1] if name[:-1] in held else name
                if entry == name and is_absent(data):
                    self._absent[name] = None
                held[entry] = held.get(entry, 0) + size_of(name, len(data))
        self._held, self.used = held, sum(held.values())

    def touch(self, name: bytes) -> bool:
        """Whether an entry is held; it counts as read just now."""
        size = self._held.pop(name, None)
        if size is not None:
            self._held[name] = size
            if name in self._absent:
                del self._absent[name]
                self._absent[name] = None
        return size is not None

    def replace(
        self, sizes: Mapping[bytes, int], removals: Iterable[bytes], absent: Iterable[bytes] = ()
    ) -> None:
        """Entries were written, ``absent`` among them, and others removed."""
        for name in (*removals, *sizes):
            self._absent.pop(name, None)
        self._absent |= dict.fromkeys(absent)
        for name in removals:
            self.used -= self._held.pop(name, 0)
        for name, size in sizes.items():
            self.used += size - self._held.get(name, 0)
            self._held[name] = size  # where it is already, it keeps its place

    @property
    def most(self) -> float:
        """The number of bytes that may be used."""
        return self._size * USED

    def let_go(self, most: float) -> list[bytes]:
        """Forget what was not read for the longest, until no more than this is used.

        Whoever asks for many keys that do not exist takes no place from what is read.
        """
        names: list[bytes] = []
        for name in chain(self._absent, (name for name in self._held if name not in self._absent)):
            if self.used <= most:
                break
            self.used -= self._held[name]
            names.append(name)
        for name in names:
            del self._held[name]
            self._absent.pop(name, None)
        return names


def size_of(name: bytes, length: int) -> int:
    """The size of a record: pages of its own, or a part of a page (pages are two thirds full)."""
    if length > _PAGE // 2 - 64:
        return -(-(length + 16) // _PAGE) * _PAGE + (len(name) + 32) * 3 // 2
    return (len(name) + length + 16) * 3 // 2


def size_of_body(name: bytes, body: bytes | None) -> int:
    """The size of an entry's body, where the body is a record of its own."""
    return 0 if body is None else size_of(body_name(name), len(body))
