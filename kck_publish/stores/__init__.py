"""The stores, and which one the settings ask for."""

from __future__ import annotations

from functools import lru_cache

from ..conf import settings
from ..exceptions import ConfigurationError
from .base import HAND, LISTENER, READER, Address, Own, Reading, Store, Stored
from .postgres import PostgresStore, Query, named_errors

__all__ = [
    "HAND", "LISTENER", "READER", "Address", "Own", "PostgresStore", "Query", "Reading", "Store",
    "Stored", "current", "named_errors",
]  # fmt: skip


def current() -> PostgresStore:
    """The store that ``KCK_PUBLISH["STORE"]`` names."""
    return _store(settings.STORE, settings.DATABASE)


@lru_cache(maxsize=8)
def _store(name: str, alias: str) -> PostgresStore:
    if name != "postgres":
        raise ConfigurationError(f"STORE {name!r} is not available yet: use 'postgres'.")
    return PostgresStore(alias)
