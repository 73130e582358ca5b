"""Telling the project what a batch has written: ``post_set`` and the signals."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.dispatch import Signal

from .. import signals
from .errors import describe
from .failures import Try
from .outcome import Act, Fate

logger = logging.getLogger(__name__)


def announce(fates: Iterable[Fate], tries: Mapping[str, Try], lag: float | None) -> None:
    """Run the hooks and send the signals of a chunk that was written.

    Args:
        fates: one a key.
        tries: by key that failed, what comes next.
        lag: seconds since the oldest change of the batch was made; None when there was none.
    """
    for fate in fates:
        if fate.what or fate.differed:
            _after_set(fate)
            for signal, arguments in _events(fate, tries):
                product = fate.product
                signal.send_robust(
                    product.sender,
                    product=product.name,
                    key=fate.address.key,
                    reason=fate.task.why if fate.task else "",
                    lag=lag,
                    **arguments,
                )


def _after_set(fate: Fate) -> None:
    if fate.act is Act.WRITE and fate.present:
        assert fate.computed is not None
        assert fate.task is not None
        try:
            fate.product.after_set(fate.computed.value, fate.task.parameters)
        except Exception as error:  # noqa: BLE001 - the user's hook: the value is written already
            logger.error("post_set of %s failed: %s", fate.address.key, describe(error))


def _events(fate: Fate, tries: Mapping[str, Try]) -> Iterator[tuple[Signal, dict[str, Any]]]:
    if fate.differed:
        yield signals.differed, {}
    if fate.what in ("primed", "augmented"):
        name = fate.product.announces if fate.what == "primed" else fate.what
        yield getattr(signals, name), _measures(fate)
    elif fate.what == "removed":
        yield signals.removed, {}
    elif fate.what == "failed":
        then = tries.get(fate.address.key)
        yield (
            signals.failed,
            {
                "error": fate.error,
                "attempts": then.attempts if then else None,
                "due_at": then.due_at if then else None,
            },
        )


def _measures(fate: Fate) -> dict[str, Any]:
    assert fate.entry is not None
    changes = fate.task.changes if fate.task and fate.what == "augmented" else None
    return {
        "seconds": fate.entry.seconds,
        "bytes": len(fate.entry.body or b""),
        "changes": len(changes) if changes is not None else None,
    }
