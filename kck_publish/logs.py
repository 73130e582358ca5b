"""The log lines of what the listener announces: receivers of the signals.

A key's first failure is a warning, and a dead letter an error, each with where it happened.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from . import signals
from .refresh.errors import describe

logger = logging.getLogger(__name__)


def connect() -> None:
    """Have the lines written; called once, when Django is ready."""
    signals.failed.connect(_failed, dispatch_uid="kck_publish.logs")


def _failed(
    sender: type,
    key: str,
    error: Exception,
    attempts: int | None,
    due_at: datetime | None,
    **more: Any,
) -> None:
    if attempts is None:
        logger.warning("The refresh of %s failed: %s", key, describe(error))
    elif due_at is None:
        logger.error(
            "The refresh of %s failed for good, at attempt %d: it is a dead letter (see "
            "kck_dead_letters). %s",
            key,
            attempts,
            describe(error),
        )
    elif attempts == 1:
        logger.warning(
            "The refresh of %s failed, and is tried again at %s: %s",
            key,
            due_at.isoformat(timespec="seconds"),
            describe(error),
        )
    else:
        logger.info(
            "The refresh of %s failed at attempt %d: %s", key, attempts, type(error).__name__
        )
