"""The near store as its readers see it: an LMDB file that only ``writer`` writes.

While the lease holds (see ``reader_lease``), what is in the file was true at most its length ago.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from time import clock_gettime
from typing import Any, TypeVar

from ...log.snapshot import NOTHING, Snapshot
from ..types import Stored
from . import open_files
from .format import CLOCK, OWNER, body_name, clock, entry_name, name_of, read_owner, unpack
from .hold_requests import telling, tells
from .reader_lease import ReaderFile

T = TypeVar("T")


class NearReader(ReaderFile):
    """One process's view of the near store.

    Args:
        path: of the file.
    """

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
        if clock_gettime(CLOCK) >= self._lease.until and not self._is_renewed():
            return None
        try:
            data: bytes | None = self._env.begin().get(name)
        except Exception as error:  # noqa: BLE001 - closed meanwhile, damaged: not here
            self._lose(error)
            return None
        if tells():
            self._follower.ask_for_body(name)
        return data

    def read_entry(self, body: bytes) -> tuple[bytes, bytes] | None:
        """The record of a bare entry and its body, by the body's name; None: as ``get``."""
        if clock_gettime(CLOCK) >= self._lease.until and not self._is_renewed():
            return None
        try:
            get = self._env.begin().get  # both of one moment
            record, data = get(entry_name(body)), get(body)
        except Exception as error:  # noqa: BLE001 - as above
            self._lose(error)
            return None
        if tells():
            self._follower.ask_for_body(body)
        return None if record is None or data is None else (record, data)

    def read_many(self, names: Sequence[bytes]) -> list[bytes | None]:
        """As ``read``, all of one moment."""
        if clock_gettime(CLOCK) >= self._lease.until and not self._is_renewed():
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
        if clock_gettime(CLOCK) >= self._lease.until and not self._is_renewed():
            return None
        try:
            return look(self._env.begin())
        except Exception as error:  # noqa: BLE001 - as above
            self._lose(error)
            return None

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
        if clock() >= self._lease.until and not self._is_renewed():
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


def reader(path: str) -> NearReader:
    """This process's reader of the file."""
    known = open_files.readers.get(path)
    return known if known is not None else open_files.readers.setdefault(path, NearReader(path))
