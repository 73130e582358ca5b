"""Values in any Django cache, by Django's own calls.

These servers compare nothing at the moment of a write. The time between our own look and our write
remains open: a worker that is paused in just that moment may leave an older value, which the next
change of the key, or ``kck_verify --repair``, puts right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .cache_values import PROBE, Frame
from .entry_bytes import makes_way, may_replace
from .types import Fence

# Of what Redis answers when it is full, whichever client says it.
FULL = "maxmemory"


class DjangoValues:
    """By Django's calls alone."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def prove(self) -> None:
        try:
            self._cache.set(PROBE, b"1", 60)
        except Exception as error:
            if FULL not in str(error):
                raise
            return
        if self._cache.get(PROBE) is None:
            raise ConnectionError("the cache does not keep what it is given")

    def server(self) -> str:
        return ""

    def get(self, names: Iterable[str]) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self._cache.get_many(list(names))
        return data

    def add(self, frames: Mapping[str, Frame]) -> int:
        refused = 0
        for name, frame in frames.items():
            try:
                self._add_one(name, frame)
            except Exception:  # noqa: BLE001 - backends have no error in common
                self.prove()  # else it is this value that is refused
                refused += 1
        return refused

    def _add_one(self, name: str, frame: Frame) -> None:
        if not self._cache.add(name, frame.data, frame.seconds):
            old = self._cache.get(name)
            if old is not None and makes_way(old, frame.stamp):
                self._cache.set(name, frame.data, frame.seconds)

    def write(self, frames: Mapping[str, Frame], fence: Fence | None, later: bool) -> int:
        if later:
            there = self.get(frames)
            frames = {
                name: frame
                for name, frame in frames.items()
                if name not in there or may_replace(there[name], frame.stamp)
            }
        refused: list[str] = []
        for seconds in {frame.seconds for frame in frames.values()}:
            data = {name: frame.data for name, frame in frames.items() if frame.seconds == seconds}
            try:
                failed: Iterable[str] = self._cache.set_many(data, seconds) or ()
            except Exception:  # noqa: BLE001 - as above
                failed = data
            if failed:
                self.prove()
            refused += [name for name in failed if not self._write_one(name, frames[name])]
        if refused:
            self.prove()  # else it is the server that has gone, meanwhile
        return len(refused)

    def delete(self, names: Iterable[str]) -> None:
        self._cache.delete_many(list(names))

    def sweep(self, prefix: str) -> None:
        """These servers list no names: what is not asked for any more makes way by itself."""

    def _write_one(self, name: str, frame: Frame) -> bool:
        """Write it; else see to it that the old value is not there any more."""
        try:
            self._cache.set(name, frame.data, frame.seconds)
            if self._cache.has_key(name):  # Django's memcached deletes what it could not set
                return True
        except Exception:  # noqa: BLE001 - as above
            self.prove()
        self._cache.delete(name)
        return False
