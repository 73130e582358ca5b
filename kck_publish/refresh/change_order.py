"""Whether the changes of a batch are in the order in which the rows were changed. Pure.

The log numbers statements by their ends. A statement that a row trigger runs ends before the one
that fired the trigger, so a row that both have changed is told of in the wrong order. The versions
of the row tell: each change begins with what the one before has left.

Where a transaction has set a row back to what it was, both orders look alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..log.change import Change

Image = Mapping[str, Any] | None


def is_sure(changes: Iterable[Change]) -> bool:
    """Whether each row's changes follow from one another, and in no other order."""
    try:
        return _follow(changes)
    except TypeError:  # a primary key that is a list
        return False


def _follow(changes: Iterable[Change]) -> bool:
    # By row: the transaction, what the row was when it began, and what it has become.
    rows: dict[Any, tuple[int, Image, Image]] = {}
    for change in changes:
        if isinstance(change.source, str):
            continue  # a product, of which no versions are told
        image = change.new if change.old is None else change.old
        if image is None:
            continue
        row = (change.source, image["pk"])
        known = rows.get(row)
        if known is None:
            rows[row] = (change.xid, change.old, change.new)
            continue
        xid, began, now = known
        if now != change.old:
            return False
        if xid != change.xid:
            xid, began = change.xid, change.old
        elif change.new == began:
            return False
        rows[row] = (xid, began, change.new)
    return True
