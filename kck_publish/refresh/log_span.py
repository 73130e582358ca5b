"""The part of the log that a batch handles. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..log.snapshot import NOTHING, Snapshot


@dataclass(frozen=True)
class Span:
    """The part of the log that a batch handles.

    Attributes:
        since: the cursor before the batch.
        until: the snapshot that the batch is computed in.
        floor: what a stamp must include for its value to be augmented.
        behind: the same by product.
    """

    since: str
    until: str
    floor: str = NOTHING
    behind: Mapping[str, Snapshot] = field(default_factory=dict)
