"""What a listener does beside its batches: a list of small services, each in a file of its own.

    capture    the triggers, and the tables under them
    progress   how far the shards have come
    forget     followers that have died
    trim       the log, and the journal of the near stores
    absences   answers that there is none, whose time has passed
    audit      compares in the background

Done at each beat, in portions that are short enough for the batches to wait for.
"""

from __future__ import annotations

from ...following.capture import CaptureWatch
from ...log import reader
from .absences import Absences
from .audit import Auditor
from .capture import Capture
from .forget import Forgetting
from .progress import Progress
from .service import Budget, Desk, Owned, Service
from .trim import Trimmer


class Maintenance:
    """One listener's services.

    Args:
        desk: the connection that the listener writes on.
        owned: the shards that it owns.
        watch: looks at the capture.
    """

    def __init__(self, desk: Desk, owned: Owned, watch: CaptureWatch) -> None:
        self._desk = desk
        self._owned = owned
        self._auditor = Auditor(owned)
        self._services: list[Service] = [
            Capture(owned, watch),
            Progress(desk, owned),
            Forgetting(desk, owned),
            Trimmer(desk, owned),
            Absences(desk, owned),
            self._auditor,
        ]

    def beat(self) -> None:
        """Have each service do what is due."""
        budget = Budget(self._waits)
        for service in self._services:
            service.beat(budget)

    @property
    def audited(self) -> tuple[int, int]:
        """How many keys were compared in the background, and how many of them differed."""
        return self._auditor.audited

    def close(self) -> None:
        """End what runs in the background."""
        for service in self._services:
            service.close()

    def _waits(self) -> bool:
        with self._desk.cursor() as cursor:
            return any(reader.any_unseen(cursor, place.done) for place in self._owned.values())
