"""The fates of keys that need no new value: paused, not stored, of no domain, or reached already.

Which values a change has already reached is told by the stamps.
"""

from __future__ import annotations

from ..log.snapshot import Snapshot
from ..stores import HAND, Address, Stored
from .carry_over import Left
from .expand import Spreading
from .outcome import Act, Fate
from .paused_products import Postponing
from .tasks import Task


class Uncomputed:
    """Tells of one batch's keys which need no new value.

    Args:
        spreading: tells what is in an eager domain.
        postponing: tells which products are paused, and is told what is not done.
    """

    def __init__(self, spreading: Spreading, postponing: Postponing) -> None:
        self._spreading = spreading
        self._postponing = postponing

    def fate(self, key: str, task: Task, entry: Stored | None) -> Fate | None:
        """The fate of a key that needs no new value; None: it needs one."""
        product = task.product
        if product.name in self._postponing.paused:
            return self._postponed(key, task, entry)
        if not self._spreading.in_domain(product, key):
            act, what = (Act.NOTHING, "") if entry is None else (Act.REMOVE, "removed")
            return Fate(product, Address(key, product.fingerprint), act, what, task=task)
        if entry is None:
            if task.named:
                return None
            address, left = Address(key, product.fingerprint), Left(there=False)
            return Fate(product, address, Act.NOTHING, task=task, left=left)
        if _reached(entry, task):
            return Fate(product, entry.address, Act.ADOPT, entry=entry, task=task, settled=False)
        return None

    def _postponed(self, key: str, task: Task, entry: Stored | None) -> Fate:
        """The fate of a key whose product is paused.

        Dependents of what is stored are told when it is resumed; what is not stored is computed
        for them, so they are told now. The domain is not asked.
        """
        address = Address(key, task.product.fingerprint)
        if entry is None and not task.named:
            return Fate(task.product, address, Act.NOTHING, task=task)
        if entry is not None and _reached(entry, task):
            return Fate(task.product, address, Act.ADOPT, entry=entry, task=task, settled=False)
        self._postponing.key(task.product, key)
        act = Act.NOTHING if entry is None else Act.MARK
        return Fate(task.product, address, act, "postponed", task=task, settled=False)


def _reached(entry: Stored, task: Task) -> bool:
    """Whether the value already includes all that touched it."""
    if not task.xids or task.reason != "change" or entry.by == HAND or entry.behind or entry.torn:
        return False
    stamp = Snapshot.parse(entry.stamp)
    return all(stamp.sees(xid) for xid in task.xids)
