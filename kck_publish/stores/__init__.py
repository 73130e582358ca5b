"""The stores, and which one the settings ask for."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings as django_settings

from ..conf import settings
from ..exceptions import ConfigurationError
from .cache_store import CacheStore
from .frame import new_version
from .table_store import PostgresStore, named_errors
from .types import (
    HAND,
    LISTENER,
    READER,
    Address,
    Fence,
    Outgoing,
    Own,
    Query,
    Read,
    Reading,
    Store,
    Stored,
)

__all__ = [
    "HAND",
    "LISTENER",
    "READER",
    "Address",
    "Fence",
    "Outgoing",
    "Own",
    "Query",
    "Read",
    "Reading",
    "Store",
    "Stored",
    "current",
    "named_errors",
    "new_version",
]


def current() -> Store:
    """The store that ``KCK_PUBLISH["STORE"]`` names."""
    return _store(settings.STORE, settings.DATABASE)


@lru_cache(maxsize=8)
def _store(name: str, alias: str) -> Store:
    kind, _, cache = name.partition(":")
    if kind != "cache":
        return PostgresStore(alias)
    if cache not in django_settings.CACHES:
        raise ConfigurationError(
            f"KCK_PUBLISH['STORE'] names the cache {cache!r}, which is not in CACHES."
        )
    return CacheStore(alias, cache)
