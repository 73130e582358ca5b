"""The module in which Django finds ``CacheModel`` and the library's own tables."""

from .kafka_tables import KafkaFailure, KafkaOffset, KafkaRelay, KafkaUnsent, KafkaVersion
from .operating_tables import FailedKey, History, Pause, Postponed, Product, StoredKey
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
    Generation,
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
    "FailedKey",
    "Failure",
    "Fetch",
    "Generation",
    "History",
    "KafkaFailure",
    "KafkaOffset",
    "KafkaRelay",
    "KafkaUnsent",
    "KafkaVersion",
    "Layout",
    "Listener",
    "Pause",
    "Postponed",
    "Product",
    "Schedule",
    "Shard",
    "StoredKey",
]
