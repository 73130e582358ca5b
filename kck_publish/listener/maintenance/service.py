"""A maintenance service, and the time that it may take of a beat."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import psycopg

from ...postgres import Asked
from ..shard import OwnedShard

# Of each beat, seconds: while nothing waits, and at least.
IDLE, BUSY = 0.5, 0.1

Desk = psycopg.Connection[Any]
Owned = dict[int, OwnedShard]


class Budget:
    """The time that the services have in one beat.

    Args:
        waits: whether there is anything to do for the shards.
    """

    def __init__(self, waits: Callable[[], bool]) -> None:
        self._waits = waits
        self._start = time.monotonic()

    @property
    def is_spent(self) -> bool:
        """Whether what can wait for the next beat has to."""
        took = time.monotonic() - self._start
        return took > IDLE or (took > BUSY and self._waits())


class Service(Protocol):
    """Something that a listener does beside its batches, in portions."""

    def beat(self, budget: Budget) -> None:
        """Do what is due."""

    def close(self) -> None:
        """End what runs in the background."""


class Asking(Protocol):
    """What a service has asked with the other duties of each beat, before its own turn."""

    def queries(self) -> list[Asked]:
        """The statements."""

    def answered(self, answers: Sequence[Sequence[Any]]) -> None:
        """The rows of each."""
