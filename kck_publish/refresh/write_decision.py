"""What becomes of a computed value: is it written, adopted, failed? Pure, but for ``pre_set``."""

from __future__ import annotations

import logging
from typing import TypeAlias

from ..exceptions import TooLarge
from ..products.product import Computed, Product
from ..reading.entries import entry_of
from ..stores import LISTENER, Address, Stored
from .carry_over import Left
from .outcome import Act, Fate
from .tasks import Task

logger = logging.getLogger(__name__)

# Of a fate: act, what, entry and left.
Decision: TypeAlias = tuple[Act, str, Stored | None, Left | None]


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
    if computed.error is not None:
        decision: Decision = Act.MARK, "failed", None, None
    elif computed.absent is not None:
        decision = _absent(task.product, before, entry, computed)
    else:
        assert entry is not None
        decision = _present(before, entry, computed, augmented)
    act, what, entry, left = decision
    failed = act is Act.MARK
    return Fate(
        product=task.product,
        address=entry.address if entry is not None else Address(key, task.product.fingerprint),
        act=act,
        what=what,
        entry=entry,
        task=task,
        computed=computed,
        reads=None if augmented or failed else computed.reads,
        settled=not failed,
        left=left,
    )


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


def _absent(
    product: Product, before: Stored | None, entry: Stored | None, computed: Computed
) -> Decision:
    assert computed.absent is not None
    shape = product.absence_shape(computed.absent)
    what = "removed" if before is not None else ""
    if before is not None and before.body is None and before.shape == shape and not before.torn:
        return Act.ADOPT, "", before, Left(True, before.version, computed.saw)
    if shape is not None and entry is not None:
        # Too many rows: said, so that the key is found when but one of them is left.
        return Act.WRITE, what, _over(before, entry), None
    act = Act.NOTHING if before is None else Act.REMOVE
    return act, what, None, Left(False, saw=computed.saw)


def _present(before: Stored | None, entry: Stored, computed: Computed, augmented: bool) -> Decision:
    entry = _over(before, entry)
    if before is None or not _same(before, entry):
        if augmented:
            return Act.WRITE, "augmented", entry, None
        return Act.WRITE, "primed", entry, Left(True, saw=computed.saw)
    if _expires(before) or _expires(entry):
        return Act.RENEW, "unchanged", entry._replace(version=before.version), None
    return Act.ADOPT, "unchanged", before, Left(True, before.version, computed.saw)


def _over(before: Stored | None, entry: Stored) -> Stored:
    """The entry, with what is known of the row that it is written to."""
    return entry if before is None or not before.row else entry._replace(row=before.row)


def _same(before: Stored, entry: Stored) -> bool:
    # One that stands on other products is written, so that its readers know of them; so is one
    # whose row is of an earlier value, so that followers know of it.
    if before.torn:
        return False
    return (before.body, before.shape, before.over) == (entry.body, entry.shape, entry.over)


def _expires(entry: Stored) -> bool:
    return entry.soft_expire is not None or entry.hard_expire is not None
