"""What a worker tells of its batches: the signals ``batch`` and ``backlog_drained``."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .. import signals
from ..conf import settings
from ..following.doorbell import listener_name
from ..refresh.batch_counts import BATCHES, COUNTED, Tally
from ..refresh.outcome import Outcome
from .shard import OwnedShard


def tell_batch(shard: int, outcome: Outcome, seconds: float, reason: str) -> None:
    """Send ``batch``, if anybody receives it and anything was done."""
    if not signals.batch.receivers or outcome.is_empty:
        return
    whole = outcome.tallies.get(BATCHES) or Tally()
    signals.batch.send_robust(
        None,
        using=settings.DATABASE,
        shard=shard,
        seconds=seconds,
        bytes=sum(tally.bytes for tally in outcome.tallies.values()),
        lag=whole.waiting + whole.computing if whole.lagged else None,
        changes=outcome.changes,
        reason=reason,
        keys={name: getattr(outcome, name) for name in (*COUNTED, "postponed")},
    )


@dataclass
class _Aside:
    since: float
    changes: int = 0


class Backlogs:
    """Notices when what a shard has put aside is worked off."""

    def __init__(self) -> None:
        self._aside: dict[int, _Aside] = {}

    def note(self, place: OwnedShard, outcome: Outcome) -> None:
        """A batch has ended, and left the shard so."""
        aside = self._aside.get(place.shard)
        if place.backlog:
            aside = self._aside.setdefault(place.shard, _Aside(time.monotonic()))
            aside.changes += outcome.changes
        elif aside is not None:
            del self._aside[place.shard]
            signals.backlog_drained.send_robust(
                None,
                using=settings.DATABASE,
                name=listener_name(),
                shard=place.shard,
                seconds=time.monotonic() - aside.since,
                changes=aside.changes + outcome.changes,
            )
