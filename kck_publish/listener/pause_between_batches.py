"""The pause between two batches, in which changes gather. Pure.

Under a steady load a little patience makes one batch of many, and leaves the writers half of the
processor that we would take. Where changes come one by one it would only make them late.
"""

from __future__ import annotations

# The longest pause, in seconds.
LONGEST = 0.02
# After a batch of so few changes there is no pause; after one of so many, the whole.
FEW, MANY = 4, 32


def patience(changes: int, took: float, least: float) -> float:
    """Seconds to pause before the next batch.

    Args:
        changes: in the batch before.
        took: how long that was, in seconds.
        least: the pause that a quick batch of many changes is followed by, in seconds.
    """
    part = min(1.0, max(0.0, (changes - FEW) / (MANY - FEW)))
    return min(max(least, took), LONGEST) * part
