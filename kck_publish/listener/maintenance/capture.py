"""Looks at the capture now and then, for tables that are changed outside of ``migrate``, too.

A look asks the catalog a few questions. Until it has come, a write of a table whose column was
renamed fails, and a change that no trigger saw is not known; so it comes as often as the seat belt.
"""

from __future__ import annotations

import time

from ...capture.hidden_rows import see_all_rows
from ...conf import settings
from ...following.capture import CaptureWatch
from ...products import registry
from .service import Budget, Owned

# Of a listener's time, at the most: a database may have thousands of partitions.
SHARE = 0.05


class Capture:
    """The owner of the first shard looks, for all. Each listener has looked when it started."""

    def __init__(self, owned: Owned, watch: CaptureWatch) -> None:
        self._owned = owned
        self._watch = watch
        self._due = time.monotonic() + settings.POLL_INTERVAL

    def beat(self, budget: Budget) -> None:
        """Look when it is due."""
        start = time.monotonic()
        if 0 in self._owned and start >= self._due:
            self._watch.look()
            see_all_rows(settings.DATABASE, registry.sources())
            took = time.monotonic() - start
            self._due = start + max(settings.POLL_INTERVAL, took / SHARE)

    def close(self) -> None:
        """Nothing runs in the background."""
