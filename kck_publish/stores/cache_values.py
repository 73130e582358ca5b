"""The operations of a server outside the database on the bytes of entries.

``django_values`` is any backend, by Django's own calls; ``redis_values`` is Redis and Valkey, by a
script.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .types import Fence

# How long a removal is remembered, in seconds: longer than any compute.
REMEMBERED = 3600
# Written to see whether the server keeps what it is given.
PROBE = "kck1:probe"


@dataclass(frozen=True, slots=True)
class Frame:
    """A value to write under one name: bytes, of this state, for ever or for a while."""

    data: bytes
    stamp: str
    seconds: int | None = None


class Values(Protocol):
    """The server's side of a store."""

    def prove(self) -> None:
        """Raise unless the server takes and gives values."""

    def server(self) -> str:
        """Which start of which server this is; "" where it does not say, or keeps nothing."""

    def get(self, names: Iterable[str]) -> Mapping[str, Any]:
        """The values that are there, in one round trip."""

    def add(self, frames: Mapping[str, Frame]) -> int:
        """Write where nothing is, or a removal of an earlier state; how many were refused."""

    def write(self, frames: Mapping[str, Frame], fence: Fence | None, later: bool) -> int:
        """Overwrite; with ``later`` only what is of no later state. Raises Fenced.

        Returns:
            how many values the server has refused; nothing is there in their place.
        """

    def delete(self, names: Iterable[str]) -> None:
        """Remove, of whichever state."""

    def sweep(self, prefix: str) -> None:
        """Remove all values under ``<prefix>:<digest>:``, where the server can list its names."""
