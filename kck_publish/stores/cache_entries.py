"""Entries as values of a Django cache: by address, framed, some hundred at once."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache

from .. import clock, search_path
from ..exceptions import StoreUnreachable
from ..log.snapshot import NOTHING
from .cache_values import REMEMBERED, Frame, Values
from .django_values import DjangoValues
from .entry_bytes import frame, tombstone, unframe
from .generation import FIRST, Marker, ask
from .reachability import Reach
from .redis_values import RedisValues
from .types import Address, Fence, Stored

# How many values go over the wire at once.
CHUNK = 500
# For so long a process trusts the generation that it knows, in seconds.
TRUSTED = 1.0


class CacheEntries:
    """The entries that a cache holds.

    Every method raises StoreUnreachable where the server does not answer.

    Args:
        cache: the cache in CACHES.
        prefix: what all names begin with.
        alias: the database in DATABASES, which is asked where the cache has lost the marker.

    Attributes:
        generation: of the values that are read and written.
    """

    def __init__(self, cache: str, prefix: str, alias: str) -> None:
        self.generation = FIRST
        self._cache = cache
        self._all = prefix
        self._marker = f"{prefix}:marker"
        self._alias = alias
        self._looked = -math.inf
        self._reach = Reach(cache)

    def get(self, addresses: Iterable[Address]) -> dict[Address, Stored]:
        """The entries held at these addresses, in one round trip."""
        asked = list(addresses)
        names = {self._name(address): address for address in asked}
        if self._is_trusted():
            with self._reaching() as values:
                data = values.get(names)
        else:
            with self._reaching() as values:
                data = dict(values.get([*names, self._marker]))
            if self._learn(data.pop(self._marker, None)):
                return self.get(asked)
        entries = {names[name]: unframe(names[name], framed) for name, framed in data.items()}
        return {address: entry for address, entry in entries.items() if entry is not None}

    def add(self, entries: Iterable[Stored]) -> None:
        """Write where nothing is, or a removal of an earlier state."""
        self._look()
        frames = self._frames(entries)
        with self._reaching() as values:
            self._reach.refused(values.add(frames))

    def write_newer(self, entries: Iterable[Stored]) -> None:
        """Overwrite what is of no later state."""
        self._look()
        frames = self._frames(entries)
        with self._reaching() as values:
            self._reach.refused(values.write(frames, None, later=True))

    def write(self, entries: Sequence[Stored], fence: Fence | None) -> None:
        """Overwrite. Raises Fenced."""
        self._look()
        for chunk in chunks(entries):
            self._write(self._frames(chunk), fence)

    def remove(self, addresses: Sequence[Address], stamp: str, fence: Fence | None = None) -> None:
        """Put a tombstone of this state in the place of each. Raises Fenced."""
        self._look()
        removed = Frame(tombstone(stamp), stamp, REMEMBERED)
        for chunk in chunks(addresses):
            self._write(dict.fromkeys(map(self._name, chunk), removed), fence)

    def delete(self, addresses: Iterable[Address]) -> None:
        """Remove, of whichever state; nothing is remembered."""
        self._look()
        with self._reaching() as values:
            values.delete(map(self._name, addresses))

    def fence(self, fence: Fence) -> None:
        """From now on refuse the writes of an earlier epoch."""
        self._look()
        self._write({}, fence)

    # The generation.

    def marker(self) -> Marker | None:
        """What is beside the values."""
        with self._reaching() as values:
            return Marker.unpack(values.get([self._marker]).get(self._marker))

    def server(self) -> str:
        """Which start of which server keeps the values; "" where it does not say."""
        with self._reaching() as values:
            return values.server()

    def mark(self, marker: Marker) -> None:
        """Put this beside the values; from now on they are those of its generation."""
        data = Frame(marker.pack(), NOTHING)
        with self._reaching() as values:
            values.write({self._marker: data}, None, later=False)
        self._trust(marker.generation)

    def look_again(self) -> None:
        """Do not trust any more what is known of the generation."""
        self._looked = -math.inf

    def sweep(self, generation: str) -> None:
        """Remove what is left of a generation, where the server can list what it holds."""
        with self._reaching() as values:
            values.sweep(_named(self._all, generation))

    def _is_trusted(self) -> bool:
        return time.monotonic() - self._looked < TRUSTED

    def _look(self) -> None:
        if not self._is_trusted():
            with self._reaching() as values:
                data = values.get([self._marker])
            self._learn(data.get(self._marker))

    def _learn(self, data: object) -> bool:
        """Know what a marker says; whether that is something else than was known."""
        before = self.generation
        marker = Marker.unpack(data)
        self._trust(ask(self._alias, self._cache) if marker is None else marker.generation)
        return self.generation != before

    def _trust(self, generation: str) -> None:
        self.generation, self._looked = generation, time.monotonic()

    def _write(self, frames: dict[str, Frame], fence: Fence | None) -> None:
        with self._reaching() as values:
            self._reach.refused(values.write(frames, fence, later=False))

    def _frames(self, entries: Iterable[Stored]) -> dict[str, Frame]:
        return {
            self._name(entry.address): Frame(frame(entry), entry.stamp, _seconds(entry))
            for entry in entries
        }

    def _name(self, address: Address) -> str:
        """Never the key itself: servers limit its length and its characters."""
        return f"{self._prefix}:{address.hex}:{address.fingerprint}"

    @property
    def _prefix(self) -> str:
        return _named(self._all, self.generation)

    @contextmanager
    def _reaching(self) -> Iterator[Values]:
        cache: Any = caches[self._cache]  # one a thread, so it is asked for anew
        values: Values = (
            RedisValues(cache, self._prefix)
            if isinstance(cache, RedisCache)
            else DjangoValues(cache)
        )
        try:
            with self._reach.reaching(values.prove):
                yield values
        except StoreUnreachable:
            # Some clients leave a server alone for minutes after an error: a new one asks at once.
            with suppress(Exception):
                cache.close()
            del caches[self._cache]
            raise


@lru_cache(maxsize=1024)
def entries_of(cache: str, schema: str, alias: str) -> CacheEntries:
    """The entries of one schema of the database."""
    return CacheEntries(cache, search_path.named("kck1", schema), alias)


def _named(prefix: str, generation: str) -> str:
    return f"{prefix}:{generation}" if generation else prefix


def chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Portions that go over the wire at once."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _seconds(entry: Stored) -> int | None:
    """The time that the server has to keep an entry; None for ever."""
    if entry.hard_expire is None:
        return None
    return max(1, math.ceil((entry.hard_expire - clock.now()).total_seconds()))
