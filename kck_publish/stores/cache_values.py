"""The bytes in a Django cache: any backend by Django's own calls, Redis and Valkey by a script.

The script compares in the server what must be compared at the moment of the write: the epoch of the
worker (a paused one must not write once its shard has moved) and the state of what is there (an
older value never overwrites a newer one). Other servers run none. What remains open there is the
time between our own look and our write: a worker that was paused in just that moment may leave an
older value, which the next change of the key, or ``kck_verify --repair``, puts right.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache

from ..exceptions import Fenced
from .frame import makes_way, may_replace
from .types import Fence

logger = logging.getLogger("kck_publish")

# How long a removal is remembered, in seconds: longer than any compute.
REMEMBERED = 3600
_PROBE = "kck1:probe"


@dataclass(frozen=True, slots=True)
class Frame:
    """What is to be written under one name: bytes, of this state, for ever or for a while."""

    data: bytes
    stamp: str
    seconds: int | None = None


def _fence(fence: Fence) -> str:
    return f"kck1:fence:{fence.shard}:{fence.shards}"


class Values(Protocol):
    """The server's side of a store."""

    def prove(self) -> None:
        """Raise unless the server takes and gives values."""

    def get(self, names: Iterable[str]) -> Mapping[str, Any]:
        """What is there, in one round trip."""

    def add(self, frames: Mapping[str, Frame]) -> None:
        """Write where nothing is, or a removal of an earlier state."""

    def write(self, frames: Mapping[str, Frame], fence: Fence | None, later: bool) -> None:
        """Overwrite; with ``later`` only what is of no later state. Raises Fenced."""

    def delete(self, names: Iterable[str]) -> None:
        """Remove, of whichever state."""


def values_in(alias: str) -> Values:
    """The values of a cache of CACHES (whose object is one a thread, so it is asked for anew)."""
    cache: Any = caches[alias]
    return RedisValues(cache) if isinstance(cache, RedisCache) else PlainValues(cache)


class PlainValues:
    """By Django's calls alone."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def prove(self) -> None:
        self._cache.set(_PROBE, b"1", 60)
        if self._cache.get(_PROBE) is None:
            raise ConnectionError("the cache does not keep what it is given")

    def get(self, names: Iterable[str]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._cache.get_many(list(names))
        return found

    def add(self, frames: Mapping[str, Frame]) -> None:
        for name, one in frames.items():
            try:
                self._add_one(name, one)
            except Exception:  # noqa: BLE001 - backends have no error in common
                self.prove()  # else it is this value that is refused

    def _add_one(self, name: str, one: Frame) -> None:
        if not self._cache.add(name, one.data, one.seconds):
            old = self._cache.get(name)
            if old is not None and makes_way(old, one.stamp):
                self._cache.set(name, one.data, one.seconds)

    def write(self, frames: Mapping[str, Frame], fence: Fence | None, later: bool) -> None:
        if later:
            there = self.get(frames)
            frames = {
                name: one
                for name, one in frames.items()
                if name not in there or may_replace(there[name], one.stamp)
            }
        for seconds in {one.seconds for one in frames.values()}:
            some = {name: one.data for name, one in frames.items() if one.seconds == seconds}
            try:
                failed: Iterable[str] = self._cache.set_many(some, seconds) or ()
            except Exception:  # noqa: BLE001 - as above
                failed = some
            if failed:
                self.prove()
            refused = [name for name in failed if not self._write_one(name, frames[name])]
            if refused:
                self.prove()  # else it is the server that has gone, meanwhile
                logger.warning(
                    "The cache refuses %d value(s) (too large?): these are computed at each read. "
                    "Raise the server's limit, or set MAX_VALUE_BYTES.",
                    len(refused),
                )

    def delete(self, names: Iterable[str]) -> None:
        self._cache.delete_many(list(names))

    def _write_one(self, name: str, one: Frame) -> bool:
        """Write one; else see to it that the old value is not there any more."""
        try:
            self._cache.set(name, one.data, one.seconds)
            if self._cache.has_key(name):  # Django's memcached deletes what it could not set
                return True
        except Exception:  # noqa: BLE001 - as above
            self.prove()
        self._cache.delete(name)
        return False


# KEYS: where the epoch is, then the names. ARGV: the epoch ("" for none), the mode, and for each
# name its bytes and seconds ("" for ever). The answer: 0 when the epoch is not ours any more.
_SCRIPT = """
if ARGV[1] ~= '' then
  local held = tonumber(redis.call('GET', KEYS[1]) or '0')
  if held > tonumber(ARGV[1]) then return 0 end
  if held < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end
end
for i = 2, #KEYS do
  local new, seconds = ARGV[2 * i - 1], ARGV[2 * i]
  local old = redis.call('GETRANGE', KEYS[i], 0, 17)
  local ours = #old == 18 and string.sub(old, 1, 1) == '1'
  local may = not ours or tonumber(string.sub(old, 3), 16) <= tonumber(string.sub(new, 3, 18), 16)
  if ARGV[2] == 'add' and ours and string.sub(old, 2, 2) ~= 't' then may = false end
  if may then
    if seconds == '' then redis.call('SET', KEYS[i], new)
    else redis.call('SET', KEYS[i], new, 'EX', seconds) end
  end
end
return 1
"""


class RedisValues:
    """Past the pickling serializer of Django's backend, and always on the primary server."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def prove(self) -> None:
        self._client().ping()

    def get(self, names: Iterable[str]) -> Mapping[str, Any]:
        some = list(names)
        found = self._client().mget([self._key(name) for name in some]) if some else []
        return {name: data for name, data in zip(some, found, strict=True) if data is not None}

    def add(self, frames: Mapping[str, Frame]) -> None:
        self._run("add", frames, None)

    def write(self, frames: Mapping[str, Frame], fence: Fence | None, later: bool) -> None:
        if not self._run("write", frames, fence) and fence is not None:
            raise Fenced(fence.shard, "another worker has written under a later epoch")

    def delete(self, names: Iterable[str]) -> None:
        if some := [self._key(name) for name in names]:
            self._client().delete(*some)

    def _run(self, mode: str, frames: Mapping[str, Frame], fence: Fence | None) -> bool:
        if not frames and fence is None:
            return True
        keys = [self._key(_fence(fence) if fence else _PROBE), *map(self._key, frames)]
        arguments: list[Any] = [str(fence.epoch) if fence else "", mode]
        for one in frames.values():
            arguments += [one.data, "" if one.seconds is None else one.seconds]
        client = self._client()
        script = client.register_script(_SCRIPT)
        return bool(script(keys=keys, args=arguments, client=client))

    def _client(self) -> Any:
        return self._cache._cache.get_client(None, write=True)

    def _key(self, name: str) -> str:
        key: str = self._cache.make_and_validate_key(name)
        return key
