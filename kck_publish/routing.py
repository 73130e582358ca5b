"""The router that keeps computes off the replicas. First of DATABASE_ROUTERS; see ``checks``."""

from __future__ import annotations

from typing import Any

from .conf import is_told, settings
from .products import compute


class PrimaryRouter:
    """Sends what a compute, or the listener, reads to the database with the log and the store.

    A replica lags, and stands in another snapshot than the batch: what is computed from it would
    be stored as true. Everything else is left to the routers that follow.
    """

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        """DATABASE inside a compute and in ``kck_listen``; no opinion elsewhere."""
        return settings.DATABASE if compute.current() is not None or is_told() else None
