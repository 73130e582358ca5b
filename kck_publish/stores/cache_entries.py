"""Entries as values of a Django cache: by address, framed, some hundred at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache

from .. import clock, search_path
from ..exceptions import StoreUnreachable
from .cache_values import REMEMBERED, Frame, Values
from .django_values import DjangoValues
from .frame import frame, tombstone, unframe
from .reachability import Reach
from .redis_values import RedisValues
from .types import Address, Fence, Stored

# How many values go over the wire at once.
CHUNK = 500


class CacheEntries:
    """The entries that a cache holds.

    Every method raises StoreUnreachable where the server does not answer.

    Args:
        cache: the cache in CACHES.
        prefix: what all names begin with.
    """

    def __init__(self, cache: str, prefix: str) -> None:
        self._cache = cache
        self._prefix = prefix
        self._reach = Reach(cache)

    def get(self, addresses: Iterable[Address]) -> dict[Address, Stored]:
        """What is held at these addresses, in one round trip."""
        names = {self._name(address): address for address in addresses}
        with self._reaching() as values:
            data = values.get(names)
        entries = {names[name]: unframe(names[name], framed) for name, framed in data.items()}
        return {address: entry for address, entry in entries.items() if entry is not None}

    def add(self, entries: Iterable[Stored]) -> None:
        """Write where nothing is, or a removal of an earlier state."""
        frames = self._frames(entries)
        with self._reaching() as values:
            self._reach.refused(values.add(frames))

    def write_later(self, entries: Iterable[Stored]) -> None:
        """Overwrite what is of no later state."""
        frames = self._frames(entries)
        with self._reaching() as values:
            self._reach.refused(values.write(frames, None, later=True))

    def write(self, entries: Sequence[Stored], fence: Fence | None) -> None:
        """Overwrite. Raises Fenced."""
        for chunk in chunks(entries):
            self._write(self._frames(chunk), fence)

    def remove(self, addresses: Sequence[Address], stamp: str, fence: Fence | None = None) -> None:
        """Put a tombstone of this state in the place of each. Raises Fenced."""
        removed = Frame(tombstone(stamp), stamp, REMEMBERED)
        for chunk in chunks(addresses):
            self._write(dict.fromkeys(map(self._name, chunk), removed), fence)

    def delete(self, addresses: Iterable[Address]) -> None:
        """Remove, of whichever state; nothing is remembered."""
        with self._reaching() as values:
            values.delete(map(self._name, addresses))

    def fence(self, fence: Fence) -> None:
        """From now on refuse the writes of an earlier epoch."""
        self._write({}, fence)

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
def entries_of(cache: str, schema: str) -> CacheEntries:
    """The entries of one schema of the database."""
    return CacheEntries(cache, search_path.named("kck1", schema))


def chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """As many as go over the wire at once."""
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def _seconds(entry: Stored) -> int | None:
    """How long the server has to keep an entry; None for ever."""
    if entry.hard_expire is None:
        return None
    return max(1, math.ceil((entry.hard_expire - clock.now()).total_seconds()))
