"""Who observes the reads of a context, for a debugging tool; else nobody, at no cost.

While any context of this process is observed, every read goes the way of ``tiers``, where it can be
told which one has answered; the shorter ways stand aside (see ``near`` and ``single``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

from ..products.product import Product, Wanted


class Observer(Protocol):
    """What is told of reads."""

    def note(self, product: Product, tier: str, answers: Mapping[str, Any], seconds: float) -> None:
        """Keys of a product have been answered.

        Args:
            tier: ``"memo"``, ``"batch"``, ``"near"``, ``"stored"``, ``"primed"`` or ``"computed"``.
            answers: by key.
            seconds: that the tier took for them together.
        """


on = False
#: Called when the first observer comes, and when the last one goes.
subscribers: list[Callable[[], None]] = []
_observer: ContextVar[Observer | None] = ContextVar("kck_publish_observer", default=None)
_lock = threading.Lock()
_count = 0


def begin(observer: Observer) -> None:
    """Tell an observer of the reads of this context, until ``end``."""
    _observer.set(observer)
    _move(1)


def end() -> None:
    """Tell it no more. In the context that has begun, once."""
    _observer.set(None)
    _move(-1)


def note(product: Product, tier: str, answers: Mapping[str, Any], seconds: float = 0.0) -> None:
    """Tell this context's observer, if there is one, what a tier has answered."""
    observer = _observer.get()
    if observer is not None and answers:
        observer.note(product, tier, answers, seconds)


def observe(
    product: Product, tier: Callable[[Wanted], Mapping[str, Any]], wanted: Wanted
) -> Mapping[str, Any]:
    """Ask a tier, and tell what it has answered."""
    began = time.perf_counter()
    answers = tier(wanted)
    name = tier.__name__.removeprefix("_").removeprefix("from_")
    note(product, name, answers, time.perf_counter() - began)
    return answers


def _move(by: int) -> None:
    global on, _count
    with _lock:
        _count += by
        on = _count > 0
        for told in subscribers:
            told()
