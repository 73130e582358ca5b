"""The rows of the log that tell a batch of the batch before it, which it knows already. Pure.

A refreshed key is logged for those that depend on it, whatever their shard, and for what a reader
is just adding. Those of the same shard are refreshed in the same batch, after it (see ``batch``);
so of what the next batch reads about them there is nothing to be done, as long as it is still
stored as it was left, and its compute was given the new value of the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..stores import LISTENER, Stored


@dataclass(frozen=True, slots=True)
class Left:
    """The state in which a batch has left a key.

    Attributes:
        there: whether anything is stored.
        version: of what was found, and holds; None for what was written.
        saw: the keys of its own batch that it was computed from; None: it was not computed, and
            those that depend on it were told.
    """

    there: bool
    version: int | None = None
    saw: frozenset[str] | None = None


@dataclass(frozen=True)
class Echoes:
    """The knowledge that a batch passes to the next one of its shard.

    Attributes:
        token: what the rows that it has logged bear.
        until: its snapshot, the stamp of what it has written.
        left: the keys that it has refreshed, of products over products.
    """

    token: str = ""
    until: str = ""
    left: Mapping[str, Left] = field(default_factory=dict)

    def told(self, token: str | None, refreshed: str, key: str) -> bool:
        """Whether a row of the log, on a refreshed key, says nothing new of a key over it."""
        if not token or token != self.token or (left := self.left.get(key)) is None:
            return False
        return left.saw is None or refreshed in left.saw

    def holds(self, key: str, entry: Stored | None) -> bool:
        """Whether a key is still stored as it was left."""
        left = self.left[key]
        if entry is None or not left.there:
            return entry is None and not left.there
        if entry.by != LISTENER or entry.behind:
            return False
        return entry.stamp == self.until if left.version is None else entry.version == left.version
