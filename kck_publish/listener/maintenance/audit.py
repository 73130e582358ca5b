"""Starts and ends the background audit, which the owner of the first shard does for all."""

from __future__ import annotations

from ...conf import settings
from ...ops.background_audit import Auditing
from .service import Budget, Owned


class Auditor:
    """Audits in the background while the first shard is owned."""

    def __init__(self, owned: Owned) -> None:
        self._owned = owned
        self.auditing: Auditing | None = None

    def beat(self, budget: Budget) -> None:
        """Start the audit, or end it."""
        wanted = settings.AUDIT is not None and 0 in self._owned
        if wanted and self.auditing is None:
            self.auditing = Auditing()
            self.auditing.start()
        elif not wanted:
            self.close()

    @property
    def audited(self) -> tuple[int, int]:
        """The number of keys compared in the background, and of those that differed."""
        if self.auditing is None:
            return 0, 0
        return self.auditing.compared, self.auditing.differing

    def close(self) -> None:
        """End the audit."""
        if self.auditing is not None:
            self.auditing.stop()
            self.auditing = None
