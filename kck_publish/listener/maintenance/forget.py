"""Forgets followers that are silent for too long, and what sources said of values that are gone."""

from __future__ import annotations

import logging
import time

from ...conf import settings
from ...log.consumers import forget_silent
from ...primers import remote
from .service import Budget, Desk, Owned

logger = logging.getLogger("kck_publish")

# Seconds between two looks for what sources have said of values that are gone.
FETCHES = 600.0


class Forgetting:
    """The owner of the first shard forgets, for all."""

    def __init__(self, desk: Desk, owned: Owned) -> None:
        self._desk = desk
        self._owned = owned
        self._fetches = float("-inf")

    def beat(self, budget: Budget) -> None:
        """Forget who and what is to be forgotten."""
        if 0 in self._owned:
            self.forget_followers()
            self.forget_fetches()

    def forget_followers(self) -> None:
        """Keep the log no longer for followers that are silent for FORGET_AFTER."""
        if settings.FORGET_AFTER is not None:
            with self._desk.cursor() as cursor:
                for name in forget_silent(cursor, settings.FORGET_AFTER.total_seconds()):
                    logger.warning("Consumer %s was silent for too long: forgotten.", name)

    def forget_fetches(self) -> None:
        """Forget what was said of values that are gone; now and then."""
        if (moment := time.monotonic()) - self._fetches > FETCHES:
            self._fetches = moment
            with self._desk.cursor() as cursor:
                remote.forget_gone(cursor, settings.RETENTION.total_seconds())

    def close(self) -> None:
        """Nothing runs in the background."""
