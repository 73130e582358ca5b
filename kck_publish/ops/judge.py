"""What looks at stored keys mean: which are wrong, and which only wait for the listener.

A stored value may lag behind its sources for a moment; that is no fault. So a difference counts
only when nothing of what is committed waits for the listener that touches the key, twice: the
second time after everything that the first look saw has been handled.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..products.product import Product
from .catching_up import PAUSE, Patience, caught_up, owned
from .compare import Finding, Seen, look_at


def judge(product: Product, keys: Sequence[str], patience: Patience) -> list[Finding]:
    """Look until each key is the same, differs twice, or cannot be judged in time."""
    seen = look_at(product, keys)
    if not seen.findings:
        return []
    with patience.waiting() as (until, at_last):
        return _look_again(product, seen, until, at_last)


def _look_again(product: Product, seen: Seen, until: float, at_last: float) -> list[Finding]:
    suspects: dict[str, int] = {}
    judged: list[Finding] = []
    while True:
        again: list[str] = []
        waiting: list[Finding] = []
        for finding, version in seen.findings:
            if finding.kind == "waiting":
                waiting.append(finding)
            elif finding.kind != "different" or suspects.get(finding.key) == version:
                judged.append(finding)
            elif finding.key in suspects and time.monotonic() > until:
                judged.append(Finding(finding.key, "waiting", "it is written again and again"))
            else:
                suspects[finding.key] = version
                again.append(finding.key)
        for finding in waiting:
            suspects.pop(finding.key, None)
        if waiting and (time.monotonic() > until or not owned()):
            judged += waiting
            waiting = []
        todo = again + [finding.key for finding in waiting]
        if not todo:
            return judged
        # What seems to be wrong is worth a wait of its own.
        if not caught_up(seen.snapshot, at_last if again else until):
            judged += [Finding(key, "waiting", "the listener is not catching up") for key in todo]
            return judged
        if waiting:
            time.sleep(PAUSE)
        seen = look_at(product, todo)
