"""The keys that were written or removed, for those who follow the near store's file itself.

The follower writes down the keys of each look, held or not, with the copies that it makes of them,
in one transaction of LMDB; a record is named by the number of that transaction. So whoever has
seen the file as of one transaction finds in it what has changed since; or that this is not known
any more, because the log is short, or was begun anew: then anything may have changed.
"""

from __future__ import annotations

import secrets
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .format import CHANGED, FLOOR, LOOKED

if TYPE_CHECKING:
    from .reader import NearReader

# The log takes this part of the file at most, and has so many records.
PART, RECORDS = 64, 1000
# Beside the keys, about, in bytes.
_BESIDE = 64
_NUMBER, _MOMENT = struct.Struct(">Q"), struct.Struct(">d")


class WrittenLog:
    """The log as the file's writer keeps it.

    Args:
        size: of the file, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._most = size // PART
        self._kept: deque[tuple[int, int]] | None = None  # number and size
        self._size = 0
        self._token = b""

    def begin(self, txn: Any) -> None:
        """Whoever follows knows nothing any more: all that was before this is forgotten."""
        with txn.cursor() as cursor:
            more = cursor.set_range(CHANGED)
            while more and cursor.key().startswith(CHANGED):
                more = cursor.delete()
        # Another file may have the same name, the same inode, and the same numbers.
        self._token = secrets.token_bytes(8)
        self._forget(txn, txn.id())
        self._kept, self._size = deque(), 0

    def add(self, txn: Any, keys: Iterable[str]) -> None:
        """These were written or removed."""
        if self._kept is None:
            self.begin(txn)
        assert self._kept is not None
        data = "\0".join(keys).encode()  # no text of PostgreSQL's has a zero byte
        txn.put(CHANGED + _NUMBER.pack(txn.id()), data)
        self._kept.append((txn.id(), len(data) + _BESIDE))
        self._size += len(data) + _BESIDE
        last = 0
        while self._size > self._most or len(self._kept) > RECORDS:
            last, size = self._kept.popleft()
            self._size -= size
            txn.delete(CHANGED + _NUMBER.pack(last))
        if last:
            self._forget(txn, last)

    def _forget(self, txn: Any, until: int) -> None:
        txn.put(FLOOR, _NUMBER.pack(until) + self._token)


def write_moment(at: float) -> bytes:
    """The bytes of ``LOOKED``."""
    return _MOMENT.pack(at)


@dataclass(frozen=True)
class Changes:
    """What a look at the file finds.

    Attributes:
        at: by ``format.clock``: of all that was committed before, the file is a true copy.
        keys: those that were written or removed since the look before; None: any.
    """

    at: float
    keys: list[str] | None


class FollowedLog:
    """The log as one reader follows it.

    Args:
        near: the file's reader.
    """

    def __init__(self, near: NearReader) -> None:
        self._near = near
        self._seen = -1
        self._token = b""

    def look(self) -> Changes | None:
        """What has changed since the last look; None: the file is not to be trusted now."""
        return self._near.within(self._look)

    def _look(self, txn: Any) -> Changes:
        moment = txn.get(LOOKED)
        at = _MOMENT.unpack(moment)[0] if moment is not None else 0.0
        floor = txn.get(FLOOR) or _NUMBER.pack(0)
        token = floor[_NUMBER.size :]
        is_known = token != b"" and token == self._token
        keys: dict[str, None] | None = None
        if is_known and _NUMBER.unpack_from(floor)[0] <= self._seen:
            keys = {}
            with txn.cursor() as cursor:
                more = cursor.set_range(CHANGED + _NUMBER.pack(self._seen + 1))
                while more and cursor.key().startswith(CHANGED):
                    keys |= dict.fromkeys(cursor.value().decode().split("\0"))
                    more = cursor.next()
        self._seen, self._token = txn.id(), token
        return Changes(at, None if keys is None else list(keys))
