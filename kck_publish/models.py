"""The module in which Django finds ``CacheModel`` and the library's own tables."""

from .kafka_tables import KafkaFailure, KafkaOffset, KafkaRelay, KafkaUnsent, KafkaVersion
from .log_tables import Backlog, Change, Consumer, Failure, Layout, Listener, Schedule, Shard
from .operating_tables import FailedKey, History, Pause, Postponed, Product, StoredKey
from .rows.model import CacheModel
from .store_tables import Copy, Edge, Entry, Fetch, Generation

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
