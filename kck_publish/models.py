"""Where Django finds ``CacheModel`` and the library's own tables."""

from .rows.model import CacheModel
from .tables import (
    Backlog,
    Change,
    Consumer,
    Copy,
    Edge,
    Entry,
    Failure,
    Fetch,
    Layout,
    Listener,
    Schedule,
    Shard,
)

__all__ = [
    "Backlog",
    "CacheModel",
    "Change",
    "Consumer",
    "Copy",
    "Edge",
    "Entry",
    "Failure",
    "Fetch",
    "Layout",
    "Listener",
    "Schedule",
    "Shard",
]
