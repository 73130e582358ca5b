"""How the library is, from the rows of ``queries.STATE``: figures, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .. import clock
from ..conf import settings
from ..log.lag import lags_of
from .asking import Rows
from .filters import duration
from .queries import COUNTED_CHANGES

# Seconds of lag from which on the dashboard says so, as kck_status does.
MAX_LAG = 5.0


@dataclass(frozen=True)
class State:
    """What each page tells of the whole.

    Attributes:
        rows: of the queries, by their names.
    """

    rows: Mapping[str, Rows]

    @cached_property
    def lag(self) -> float:
        """Seconds since the oldest change that is not handled; 0 when there is none."""
        found = [
            (row["shard"], row["shards"], row["lag"], row["aside"]) for row in self.rows["lags"]
        ]
        return lags_of(found, self.rows["unfollowed"][0]["lag"]).longest

    @cached_property
    def waiting(self) -> int:
        """Changes that are not handled; one more than are counted where there are more."""
        return min(int(self._waiting["changes"]), COUNTED_CHANGES + 1)

    @property
    def more_wait(self) -> bool:
        """Whether there are more than were counted."""
        return self.waiting > COUNTED_CHANGES

    @property
    def backlog(self) -> int:
        """Parts of the log that were put aside, to be worked off in pages."""
        return int(self._waiting["parts"])

    @property
    def _waiting(self) -> dict[str, Any]:
        return self.rows["waiting"][0]

    @cached_property
    def listeners(self) -> Rows:
        """Those that are connected, and those that have left without a word."""
        return self.rows["listeners"]

    @cached_property
    def running(self) -> int:
        """How many listeners are connected."""
        return sum(listener["connected"] for listener in self.listeners)

    @cached_property
    def retrying(self) -> int:
        """Keys whose refresh failed, and is tried again."""
        return sum(row["retrying"] for row in self.rows["failures"])

    @cached_property
    def dead(self) -> int:
        """Keys whose refresh failed for good."""
        return sum(row["dead"] for row in self.rows["failures"])

    @cached_property
    def problems(self) -> list[str]:
        """Sentences, as ``kck_status`` prints them; empty when nobody is needed."""
        return list(self._problems())

    @cached_property
    def severe(self) -> bool:
        """Whether somebody is needed; else what is wrong may pass by itself."""
        shards = any(map(self._of_shard, self.rows["shards"]))
        return not self.running or self.lag > MAX_LAG or bool(self.dead) or shards

    def _problems(self) -> Iterator[str]:
        if not self.running:
            yield "No listener is running: no change is handled."
        if self.lag > MAX_LAG:
            yield f"The oldest unhandled change is {duration(self.lag)} old."
        if self.backlog:
            parts = _number(self.backlog, "part of the log is", "parts of the log are")
            yield f"{parts} deferred, and worked off in pages."
        if self.dead:
            letters = _number(self.dead, "dead letter waits", "dead letters wait")
            yield f"{letters}: see kck_dead_letters list."
        if self.retrying:
            keys = _number(self.retrying, "key fails, and is", "keys fail, and are")
            yield f"{keys} tried again."
        for shard in self.rows["shards"]:
            if problem := self._of_shard(shard):
                yield f"Shard {shard['shard']} {problem}"

    def _of_shard(self, shard: dict[str, Any]) -> str:
        if shard["owed"]:
            return f"could not record the failures of {shard['owed']} keys."
        if shard["forgotten"]:
            return "was forgotten: start a listener, which primes its keys anew."
        silent = clock.now().timestamp() - shard["seen"]
        if not shard["owned"] and self.running and silent > settings.SILENCE:
            return "has no listener: start one more, or kck_forget it."
        return ""


def _number(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
