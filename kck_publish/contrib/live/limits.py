"""How many streams a process has open, and each user of it."""

from __future__ import annotations

from ...conf import settings
from . import process_hub
from .parsing import RefusedError

RETRY_AFTER = "5"


def check(user: object) -> None:
    """Whether one more may be opened.

    Args:
        user: the primary key; None of whoever is not logged in.

    Raises:
        RefusedError: 503 of the process's limit, 429 of the user's.
    """
    hub = process_hub.running()
    if hub is None:
        return
    if hub.count >= settings.LIVE_STREAMS:
        raise RefusedError(503, "This process has as many streams as it may (LIVE_STREAMS).")
    if user is not None and hub.count_of(user) >= settings.LIVE_STREAMS_PER_USER:
        raise RefusedError(
            429,
            "This user has as many streams as one may have (LIVE_STREAMS_PER_USER): watch several "
            "keys on one.",
        )
