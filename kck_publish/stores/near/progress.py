"""The writes handled by the listener that the near store, if there is one, shows."""

from __future__ import annotations

from ...conf import settings
from .file_path import near_store

# Writes that are handled and perhaps not copied, with the first snapshot in which they were.
MANY_HANDLED = 1000
_handled: dict[tuple[int, ...], str] = {}


def includes(snapshot: str) -> bool:
    """Whether the near store, if there is one, shows what was stored up to a snapshot."""
    near = near_store()
    return settings.NEAR is None if near is None else near.includes(snapshot)


def has_copied(xids: tuple[int, ...], now: str) -> bool:
    """Whether the near store, if there is one, shows these writes, which are handled.

    Args:
        xids: the transactions that wrote.
        now: a snapshot in which they are handled. It is the first such that counts: where much is
            committed, a copy is always a little behind the last.
    """
    near = near_store()
    if near is None:
        return settings.NEAR is None
    if not near.includes(_handled.setdefault(xids, now)):
        while len(_handled) > MANY_HANDLED:
            _handled.pop(next(iter(_handled)), None)
        return False
    _handled.pop(xids, None)
    return True
