"""Telling the project what a batch has written: ``post_set`` and the signals."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django.dispatch import Signal

from .. import clock, signals
from .batch_counts import since
from .errors import describe
from .failures import Try
from .outcome import Act, Fate

logger = logging.getLogger(__name__)

_SIGNALS = {
    "augmented": signals.augmented,
    "removed": signals.removed,
    "failed": signals.failed,
}
_ALL = [
    *_SIGNALS.values(),
    *(signals.differed, signals.primed, signals.published),
]


def announce(fates: Iterable[Fate], tries: Mapping[str, Try]) -> None:
    """Run the hooks and send the signals of a chunk that was written.

    Args:
        fates: one a key.
        tries: by key that failed, what comes next.
    """
    heard = any(signal.receivers for signal in _ALL)  # mostly not: then nothing is worked out
    for fate in fates:
        if fate.act is Act.WRITE and fate.present:
            _after_set(fate)
        for signal in _signals(fate) if heard else ():
            if signal.receivers:
                _send(signal, fate, tries)


def _after_set(fate: Fate) -> None:
    assert fate.computed is not None
    assert fate.task is not None
    try:
        fate.product.after_set(fate.computed.value, fate.task.parameters)
    except Exception as error:  # noqa: BLE001 - the user's hook: the value is written already
        logger.error("post_set of %s failed: %s", fate.address.key, describe(error))


def _signals(fate: Fate) -> list[Signal]:
    sent = [signals.differed] if fate.differed else []
    if fate.what == "primed":
        sent.append(getattr(signals, fate.product.announces))
    elif fate.what in _SIGNALS:
        sent.append(_SIGNALS[fate.what])
    return sent


def _send(signal: Signal, fate: Fate, tries: Mapping[str, Try]) -> None:
    arguments: dict[str, Any] = {}
    if signal is signals.failed:
        then = tries.get(fate.address.key)
        arguments = {
            "error": fate.error,
            "attempts": then.attempts if then else None,
            "due_at": then.due_at if then else None,
        }
    task = fate.task
    amended = task.changes if task and fate.what == "augmented" else None
    signal.send_robust(
        fate.product.sender,
        product=fate.product.name,
        key=fate.address.key,
        seconds=fate.computed.seconds if fate.computed else None,
        bytes=len(fate.entry.body or b"") if fate.changed and fate.entry else None,
        lag=since(task.at, clock.now()) if task else None,
        changes=len(amended) if amended is not None else None,
        reason=task.why if task else "",
        **arguments,
    )
