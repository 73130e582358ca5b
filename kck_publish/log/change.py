"""One committed change, as the log tells it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Model

from ..public_names import public_in


@public_in("kck_publish")
@dataclass(frozen=True)
class Change:
    """One committed change, as ``augment`` and the callables of Depends see it.

    Attributes:
        op: ``"insert"``, ``"update"``, ``"delete"`` or ``"truncate"``.
        source: the model, or the name of the product depended on.
        old: typed values by column attname, plus ``pk``, before; None where there is no before.
            For a product, its parameters.
        new: the same, after.
        origin: what ``origin(...)`` said of the writer, or None.
        xid: the transaction that committed it, for the exactly-once rule.
        seq: its number in the log; of two changes of one row the later one has the greater number,
            unless a row trigger has made it: what a trigger writes is told before what fired it.
        at: when it was written, in the database's time.
        untold: the topics that ``contrib.kafka.suppress`` keeps it from.
    """

    op: str
    source: type[Model] | str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    origin: str | None = None
    xid: int = 0
    seq: int = field(default=0, compare=False)
    at: datetime | None = field(default=None, compare=False)
    untold: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def images(self) -> Iterator[Mapping[str, Any]]:
        """The old image and the new one, as far as there are any."""
        if self.old is not None:
            yield self.old
        if self.new is not None:
            yield self.new
