"""The maintenance beside the batches: a list of small services, each in a file of its own.

    capture    the triggers, and the tables under them
    progress   how far the shards have come
    forget     followers that have died
    trim       the log, and the journal of the near stores
    history    what was done, by product and minute
    absences   answers that there is none, whose time has passed
    audit      compares in the background

Done at each beat, in portions that are short enough for the batches to wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ...following.capture import CaptureWatch
from ...postgres import Asked
from ..shard import any_unseen
from .absences import Absences
from .audit import Auditor
from .capture import Capture
from .forget import Forgetting
from .history import History
from .progress import Progress
from .service import Asking, Budget, Desk, Owned, Service
from .trim import Trimmer


class Maintenance:
    """One listener's services.

    Args:
        desk: the connection that the listener writes on.
        owned: the shards that it owns.
        watch: looks at the capture.

    Attributes:
        history: is told what each batch has done.
    """

    def __init__(self, desk: Desk, owned: Owned, watch: CaptureWatch) -> None:
        self._desk = desk
        self._owned = owned
        self._auditor = Auditor(owned)
        self._asked: list[list[Asked]] = []
        self.history = History(desk, owned)
        progress, trimmer = Progress(owned), Trimmer(desk, owned)
        self._asking: list[Asking] = [progress, trimmer]
        self._services: list[Service] = [
            Capture(owned, watch),
            progress,
            Forgetting(desk, owned),
            trimmer,
            self.history,
            Absences(desk, owned),
            self._auditor,
        ]

    def queries(self) -> list[Asked]:
        """What is asked with the other duties of a beat; the answers are for ``beat``."""
        self._asked = [service.queries() for service in self._asking]
        return [query for queries in self._asked for query in queries]

    def beat(self, answers: Sequence[Sequence[Any]]) -> None:
        """Have each service do what is due."""
        rest = iter(answers)
        for asking, queries in zip(self._asking, self._asked, strict=True):
            asking.answered([next(rest) for _ in queries])
        budget = Budget(partial(any_unseen, self._desk, self._owned.values()))
        for service in self._services:
            service.beat(budget)

    @property
    def audited(self) -> tuple[int, int]:
        """The number of keys compared in the background, and of those that differed."""
        return self._auditor.audited

    def close(self) -> None:
        """End what runs in the background."""
        for service in self._services:
            service.close()
