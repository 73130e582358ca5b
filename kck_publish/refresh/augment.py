"""Amending a stored value by the changes of a batch, where that is exact; else it is primed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..exceptions import Reprime
from ..log.change import Change
from ..log.snapshot import Snapshot
from ..products import time_limit
from ..products.compute import Batch
from ..products.product import Computed
from ..stores import HAND, READER, Stored
from . import change_order
from .errors import describe
from .tasks import Task

logger = logging.getLogger(__name__)


class Augment:
    """Amends the values of one batch.

    Args:
        since: the cursor before the batch.
        floor: what a stamp must include.
        behind: the same by product: what was put aside.
        batch: what the amending code runs in.
    """

    def __init__(
        self, since: Snapshot, floor: Snapshot, behind: Mapping[str, Snapshot], batch: Batch
    ) -> None:
        self._since = since
        self._floor = floor
        self._behind = behind
        self._batch = batch

    def amend(self, entry: Stored, task: Task) -> Computed | None:
        """The amended value; None: the key has to be primed."""
        stamp = Snapshot.parse(entry.stamp)
        if task.changes is None or not self._exact(entry, stamp, task):
            return None
        changes = [change for change in task.changes if not stamp.sees(change.xid)]
        if len(changes) > 1 and not change_order.is_sure(changes):
            return None
        try:
            start = time.perf_counter()
            value = self._amended(entry, task, changes)
            computed = Computed(value, seconds=time.perf_counter() - start)
            self._batch.check()
            computed.encoded(task.product)
        except Reprime:
            return None
        except Exception as error:  # noqa: BLE001 - the user's augment: the truth is a prime away
            logger.warning(
                "augment of %s failed (%s): it is primed. %s",
                entry.address.key,
                type(error).__name__,
                describe(error),
            )
            self._batch.recover([entry.address.key])
            return None
        return computed

    def _exact(self, entry: Stored, stamp: Snapshot, task: Task) -> bool:
        """Whether the batch's changes are all that the value lacks."""
        if entry.body is None or entry.behind or entry.by == HAND:
            return False
        if entry.by == READER and not stamp.includes(self._since):
            return False
        behind = self._behind.get(task.product.name)
        # Else it lacks changes that were put aside.
        return stamp.includes(self._floor) and (behind is None or stamp.includes(behind))

    def _amended(self, entry: Stored, task: Task, changes: Sequence[Change]) -> Any:
        product, limit = task.product, task.product.time_limit
        assert entry.body is not None
        value = product.amendable(entry.body, entry.shape)
        self._batch.breathe(time_limit.seconds_of(limit) or 0.0)
        self._batch.admit(product, [task.parameters], alone=False)
        return time_limit.within(
            entry.address.key,
            limit,
            lambda: product.augment_with(value, changes, task.parameters),
            queries=False,
        )
