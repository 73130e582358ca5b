"""Whether an outside server answers: says so once when it goes, and once when it is back."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..exceptions import Fenced, StoreUnreachable

logger = logging.getLogger("kck_publish")

# Seconds after which it is said again that a server refuses values.
SAY_AGAIN = 60.0


class Reach:
    """The known state of one server.

    Args:
        alias: the cache's, in CACHES.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._lost = False
        self._said = -math.inf

    def refused(self, values: int) -> None:
        """Say that the server, which answers, has not taken so many values: once a minute."""
        if values and time.monotonic() - self._said > SAY_AGAIN:
            self._said = time.monotonic()
            logger.warning(
                "The cache %r refuses %d value(s) (it is full, or they are too large): these are "
                "computed at each read. Raise the server's limit, have it evict, or set "
                "MAX_VALUE_BYTES.",
                self._alias,
                values,
            )

    @contextmanager
    def reaching(self, prove: Callable[[], None]) -> Iterator[None]:
        """Name whatever a backend raises: they have no error in common.

        Args:
            prove: raises unless the server takes and gives values. Some clients answer "nothing
                there" for a while after an error, so this is asked before it counts as back.

        Raises:
            StoreUnreachable: the server does not answer, or refuses.
        """
        try:
            yield
            if self._lost:
                prove()
        except Fenced:
            raise
        except Exception as error:
            if not self._lost:
                self._lost = True
                logger.error(
                    "The cache %r cannot be reached (%s): reads are computed, listeners wait.",
                    self._alias,
                    type(error).__name__,
                )
            raise StoreUnreachable(self._alias, type(error).__name__) from error
        if self._lost:
            self._lost = False
            logger.warning("The cache %r is reached again.", self._alias)
