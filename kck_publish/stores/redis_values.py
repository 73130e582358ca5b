"""Values in Redis or Valkey, written by a script in the server.

The script compares what must be compared at the moment of the write: the epoch of the worker (a
paused worker must not write once its shard has moved) and the state of what is there (an older
value never overwrites a newer value).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..exceptions import Fenced
from .cache_values import PROBE, Frame
from .types import Fence

# KEYS: where the epoch is, then the names. ARGV: the epoch ("" for none), the mode, and for each
# name its bytes and seconds ("" for ever). The answer: 0 when the epoch is not ours any more, else
# 1 and how many values a full server (maxmemory, noeviction) has not taken: what it held instead of
# these is removed, as it is no longer true. A full server takes no later epoch either; until there
# is room, its values are as safe from a paused worker as those in servers that compare nothing.
_SCRIPT = """
local refused = 0
local function set(...)
  local answer = redis.pcall('SET', ...)
  if type(answer) ~= 'table' or not answer.err then return true end
  if not string.find(answer.err, 'OOM') then error(answer.err) end
end
if ARGV[1] ~= '' then
  local held = tonumber(redis.call('GET', KEYS[1]) or '0')
  if held > tonumber(ARGV[1]) then return 0 end
  if held < tonumber(ARGV[1]) then set(KEYS[1], ARGV[1]) end
end
for i = 2, #KEYS do
  local new, seconds = ARGV[2 * i - 1], ARGV[2 * i]
  local old = redis.call('GETRANGE', KEYS[i], 0, 17)
  local ours = #old == 18 and string.sub(old, 1, 1) == '1'
  local may = not ours or tonumber(string.sub(old, 3), 16) <= tonumber(string.sub(new, 3, 18), 16)
  if ARGV[2] == 'add' and ours and string.sub(old, 2, 2) ~= 't' then may = false end
  local done = not may
  if may and seconds == '' then done = set(KEYS[i], new)
  elseif may then done = set(KEYS[i], new, 'EX', seconds) end
  if not done then
    refused = refused + 1
    if ARGV[2] ~= 'add' then redis.call('DEL', KEYS[i]) end
  end
end
return 1 + refused
"""


# How many names are looked at at once.
SCANNED = 1000
# What means something in a pattern of SCAN.
_ODD = re.compile(r"[*?\[\]^\\]")


class RedisValues:
    """Past the pickling serializer of Django's backend, and always on the primary server."""

    def __init__(self, cache: Any, prefix: str) -> None:
        self._cache = cache
        self._prefix = prefix

    def prove(self) -> None:
        self._client().ping()

    def server(self) -> str:
        from redis.exceptions import ResponseError  # not every project with a cache has Redis

        try:
            return str(self._client().info("server")["run_id"])
        except (ResponseError, KeyError):  # the user may not ask, or a proxy answers
            return ""

    def get(self, names: Iterable[str]) -> Mapping[str, Any]:
        asked = list(names)
        values = self._client().mget([self._key(name) for name in asked]) if asked else []
        return {name: data for name, data in zip(asked, values, strict=True) if data is not None}

    def add(self, frames: Mapping[str, Frame]) -> int:
        return self._run("add", frames, None)

    def write(self, frames: Mapping[str, Frame], fence: Fence | None, later: bool) -> int:
        return self._run("write", frames, fence)

    def delete(self, names: Iterable[str]) -> None:
        if keys := [self._key(name) for name in names]:
            self._client().delete(*keys)

    def sweep(self, prefix: str) -> None:
        stem = self._key(prefix)
        if not stem.endswith(prefix):  # a KEY_FUNCTION of the project's: what names it makes
            return
        pattern = _ODD.sub(r"\\\g<0>", stem) + f":{'?' * 32}:*"
        client = self._client()
        names: list[bytes] = []
        for name in client.scan_iter(match=pattern, count=SCANNED):
            names.append(name)
            if len(names) == SCANNED:
                client.delete(*names)
                names.clear()
        if names:
            client.delete(*names)

    def _run(self, mode: str, frames: Mapping[str, Frame], fence: Fence | None) -> int:
        """The number of values that the server has not taken. Raises Fenced."""
        if not frames and fence is None:
            return 0
        keys = [self._key(self._fence(fence) if fence else PROBE), *map(self._key, frames)]
        arguments: list[Any] = [str(fence.epoch) if fence else "", mode]
        for frame in frames.values():
            arguments += [frame.data, "" if frame.seconds is None else frame.seconds]
        client = self._client()
        script = client.register_script(_SCRIPT)
        answer = int(script(keys=keys, args=arguments, client=client))
        if fence is not None and answer == 0:
            raise Fenced(fence.shard, "another worker has written under a later epoch")
        return answer - 1

    def _client(self) -> Any:
        return self._cache._cache.get_client(None, write=True)

    def _key(self, name: str) -> str:
        key: str = self._cache.make_and_validate_key(name)
        return key

    def _fence(self, fence: Fence) -> str:
        return f"{self._prefix}:fence:{fence.shard}:{fence.shards}"
