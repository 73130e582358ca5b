"""The listeners, and the shards with their lag. Only to look at."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from ..log.lag import lags
from ..ops import workers
from .page import Page


class ListenersPage(Page):
    """Who follows the log, and how far each shard has come: a part of what kck_status says."""

    table = "listener"
    template = "listeners.html"

    def listing(self, request: HttpRequest) -> dict[str, Any]:
        with self.cursor() as cursor:
            behind = lags(cursor)
            shards = workers.shards(cursor, behind) if behind.by_shard else []
            listeners = workers.listeners(cursor)
        return {
            "shards": shards,
            "listeners": listeners,
            "running": any(listener["connected"] for listener in listeners),
            "lag": behind.longest,
            "title": "Listeners and shards",
        }
