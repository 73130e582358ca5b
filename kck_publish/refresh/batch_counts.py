"""What a batch has done, in numbers, by product: for the history and for who receives ``batch``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from django.utils.timezone import is_aware, make_aware

from .. import clock
from .outcome import Fate, Outcome
from .tasks import Work

# What of a fate's words is counted, with the name of the count.
COUNTED = {
    "primed": "refreshed",
    "augmented": "augmented",
    "unchanged": "unchanged",
    "removed": "removed",
    "failed": "failed",
}
BATCHES = ""
"""Under this name, which no product has: the batches themselves."""


@dataclass(slots=True)
class Tally:
    """Sums of one product; the columns of the history.

    Attributes:
        refreshed, augmented, unchanged, removed, failed: keys.
        seconds: of the computes, and the longest.
        bytes: of the values that were written.
        lagged: of so many keys the lag is known: from the oldest change that touched the key, as
            far as this batch has seen, to the write.
        waiting: of it, what passed before the batch began; the sum, and the longest.
        computing: of it, what passed in the batch.
        changes: rows of the log that the first shard has read; of ``BATCHES`` only, whose keys
            are those of all products.
        batches: how many there were; of ``BATCHES`` only.
    """

    refreshed: int = 0
    augmented: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    seconds: float = 0.0
    seconds_max: float = 0.0
    bytes: int = 0
    lagged: int = 0
    waiting: float = 0.0
    waiting_max: float = 0.0
    computing: float = 0.0
    computing_max: float = 0.0
    changes: int = 0
    batches: int = 0

    def took(self, seconds: float) -> None:
        """Add a compute, or a batch."""
        self.seconds += seconds
        self.seconds_max = max(self.seconds_max, seconds)

    def late(self, waiting: float, computing: float) -> None:
        """Add a lag, in two parts."""
        self.lagged += 1
        self.waiting += waiting
        self.waiting_max = max(self.waiting_max, waiting)
        self.computing += computing
        self.computing_max = max(self.computing_max, computing)

    def add(self, other: Tally) -> None:
        """Add what another has counted."""
        for name in COLUMNS:
            mine, theirs = getattr(self, name), getattr(other, name)
            together = max(mine, theirs) if name.endswith("_max") else mine + theirs
            setattr(self, name, together)


COLUMNS = tuple(field.name for field in fields(Tally))


def since(at: datetime | None, now: datetime) -> float | None:
    """Seconds from a time of the log, which is naive where Django has it so, to now."""
    if at is None:
        return None
    aware = at if is_aware(at) else make_aware(at)
    return max(0.0, (now - aware).total_seconds())


def count(tallies: dict[str, Tally], fates: Iterable[Fate], began: datetime) -> None:
    """Count in what became of some keys, which have just been written.

    Args:
        tallies: by product; added to.
        began: when the batch did.
    """
    now = clock.now()
    computing = (now - began).total_seconds()
    lags: dict[datetime, float] = {}
    for fate in fates:
        column = COUNTED.get(fate.what)
        if column is None:
            continue
        if (tally := tallies.get(fate.product.name)) is None:
            tally = tallies[fate.product.name] = Tally()
        setattr(tally, column, getattr(tally, column) + 1)
        if fate.computed is not None:
            tally.took(fate.computed.seconds)
        if fate.changed and fate.entry is not None:
            tally.bytes += len(fate.entry.body or b"")
        if fate.what != "failed" and fate.task is not None and (at := fate.task.at) is not None:
            if (lag := lags.get(at)) is None:  # the changes of a transaction have one time
                lag = lags[at] = since(at, now) or 0.0
            tally.late(max(0.0, lag - computing), min(lag, computing))


def count_batch(outcome: Outcome, work: Work, began: datetime, first: bool) -> None:
    """Count a batch itself, if it has done anything.

    Args:
        began: when it did.
        first: whether it is of the first shard: all shards read the same changes.
    """
    if outcome.is_empty:
        return
    now = clock.now()
    seconds = (now - began).total_seconds()
    tally = Tally(batches=1, changes=work.changes if first else 0)
    tally.took(seconds)
    if (lag := since(work.oldest, now)) is not None:
        tally.late(max(0.0, lag - seconds), min(lag, seconds))
    for column in COUNTED.values():  # of a month it is asked for as often as of an hour
        setattr(tally, column, sum(getattr(each, column) for each in outcome.tallies.values()))
    outcome.tallies[BATCHES] = tally
