"""What a computed value means for what is stored. Pure, but for the user's ``pre_set``."""

from __future__ import annotations

import logging

from ..exceptions import TooLarge
from ..products.product import Computed
from ..reading.entries import entry_of
from ..stores import LISTENER, Address, Stored
from .carry_over import Left
from .outcome import Act, Fate
from .tasks import Task

logger = logging.getLogger(__name__)


def settle(
    key: str, task: Task, before: Stored | None, computed: Computed, until: str, augmented: bool
) -> Fate:
    """Decide what becomes of a key whose value was computed, or amended.

    Args:
        before: what is stored.
        computed: the new value, the answer that there is none, or an error.
        until: the snapshot of the batch.
        augmented: whether the stored value was amended.
    """
    computed, entry = _entry(key, task, computed, until)
    fate = Fate(
        task.product, Address(key, task.product.fingerprint), Act.MARK, task=task, computed=computed
    )
    if computed.error is not None:
        return fate._replace(what="failed", settled=False)
    fate = fate._replace(reads=None if augmented else computed.reads)
    if computed.absent is not None:
        return _absent(fate, before, entry, computed)
    assert entry is not None
    return _present(fate, before, entry, computed, augmented)


def _entry(key: str, task: Task, computed: Computed, until: str) -> tuple[Computed, Stored | None]:
    """The entry to write, if any; a value that cannot be stored becomes an error."""
    try:
        if computed.error is None and computed.absent is None:
            task.product.before_set(computed.value, task.parameters)
        return computed, entry_of(task.product, key, computed, until, LISTENER, task.why)
    except Exception as error:  # noqa: BLE001 - Unserializable, or the user's hook
        if isinstance(error, TooLarge):
            logger.error("%s", error)
        return Computed(error=error), None


def _absent(fate: Fate, before: Stored | None, entry: Stored | None, computed: Computed) -> Fate:
    assert computed.absent is not None
    shape = fate.product.absence_shape(computed.absent)
    what = "removed" if before is not None else ""
    if before is not None and before.body is None and before.shape == shape:
        left = Left(True, before.version, computed.saw)
        return fate._replace(act=Act.ADOPT, entry=before, left=left)
    if shape is not None and entry is not None:
        # Too many rows: said, so that the key is found when but one of them is left.
        return fate._replace(act=Act.WRITE, what=what, entry=_over(before, entry))
    left = Left(False, saw=computed.saw)
    act = Act.NOTHING if before is None else Act.REMOVE
    return fate._replace(act=act, what=what, left=left)


def _present(
    fate: Fate, before: Stored | None, entry: Stored, computed: Computed, augmented: bool
) -> Fate:
    entry = _over(before, entry)
    if before is None or not _same(before, entry):
        what = "augmented" if augmented else "primed"
        left = None if augmented else Left(True, saw=computed.saw)
        return fate._replace(act=Act.WRITE, what=what, entry=entry, left=left)
    if _expires(before) or _expires(entry):
        renewed = entry._replace(version=before.version)
        return fate._replace(act=Act.RENEW, what="unchanged", entry=renewed)
    left = Left(True, before.version, computed.saw)
    return fate._replace(act=Act.ADOPT, what="unchanged", entry=before, left=left)


def _over(before: Stored | None, entry: Stored) -> Stored:
    """The entry, with what is known of the row that it is written to."""
    return entry if before is None else entry._replace(row=before.row)


def _same(before: Stored, entry: Stored) -> bool:
    # One that stands on other products is written, so that its readers know of them.
    return (before.body, before.shape, before.over) == (entry.body, entry.shape, entry.over)


def _expires(entry: Stored) -> bool:
    return entry.soft_expire is not None or entry.hard_expire is not None
