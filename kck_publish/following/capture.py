"""The care of a following process for the capture: without triggers there is nothing to follow."""

from __future__ import annotations

import logging

from django.db import DatabaseError
from psycopg import errors

from ..capture.install import faults, install
from ..products import registry

logger = logging.getLogger("kck_publish")

# What may be so now and not the next time; a table of somebody else's stays as it is.
_LATER = (errors.LockNotAvailable, errors.DeadlockDetected, errors.InsufficientPrivilege)


class CaptureWatch:
    """Installs the triggers that are missing, and says which are not as they should be.

    At the start, and again now and then: the tables of a database may be changed by anybody.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._said: set[str] = set()

    def look(self) -> None:
        """Look, and put right what can be; says the same thing once."""
        try:
            for done in install(self._alias, registry.sources(), only_missing=True):
                logger.warning("%s", done)
        except DatabaseError as error:
            if not isinstance(error.__cause__, _LATER):
                raise
            self._say({f"The capture could not be put right ({type(error.__cause__).__name__})."})
        found = {str(fault) for fault in faults(self._alias, registry.sources())}
        self._say(found)
        self._said &= found

    def _say(self, lines: set[str]) -> None:
        for line in sorted(lines - self._said):
            logger.error("%s", line)
        self._said |= lines
