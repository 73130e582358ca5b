"""How reads were answered, in this process: by which tier, and how often one waited for another.

Always counted, since it costs next to nothing: the reads of the near store, which take about a
microsecond, are counted by the cache of names that they go through anyway. Threads may now and then
overwrite each other's count; it is for a graph, not for an account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import _lru_cache_wrapper
from typing import Any
from weakref import WeakSet


@dataclass(slots=True)
class Counts:
    """Of keys read.

    Attributes:
        memo: answered by the request's memo.
        near_missed: asked of the near store by name, and not there.
        near_more: answered by the near store otherwise.
        stored: answered by the store.
        primed: missed, and computed and stored, or taken from who did.
        computed: computed for the reader alone.
        waits: how often a reader waited for another's compute.
        names: the caches of names of the near store: each use is a key asked for.
    """

    memo: int = 0
    near_missed: int = 0
    near_more: int = 0
    stored: int = 0
    primed: int = 0
    computed: int = 0
    waits: int = 0
    names: WeakSet[Any] = field(default_factory=WeakSet)
    _most: int = 0

    def watch(self, name_of: _lru_cache_wrapper[Any]) -> None:
        """Count the uses of a cache of names in."""
        self.names.add(name_of)

    def by_tier(self) -> dict[str, int]:
        """How many keys each tier has answered."""
        asked = 0
        for name_of in list(self.names):
            info = name_of.cache_info()
            asked += info.hits + info.misses
        # A lookup that was made anew begins at nothing.
        self._most = max(self._most, asked - self.near_missed)
        return {
            "memo": self.memo,
            "near": self._most + self.near_more,
            "store": self.stored,
            "primed": self.primed,
            "computed": self.computed,
        }


counts = Counts()
"""Of this process."""
