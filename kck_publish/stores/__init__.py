"""The stores of values: the table of entries always names what is stored; ``current`` is the store.

In come entries with their stamps, from the listener and from readers that prime; out go entries by
address, and edges (what a value was computed from). Values are in the rows (``table_store``) or in
a Django cache (``cache_store``); ``near`` copies them to a file of the host. This room knows keys
and snapshots, and nothing of products, of computing, or of when an entry may be served.

To add a store, implement ``protocol.Store``, have ``_store`` below choose it, and let
``conf_types.store`` accept its name.
"""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings as django_settings
from django.db import connections

from ..conf import settings
from ..conf_defaults import Settings
from ..exceptions import ConfigurationError
from ..postgres import is_in_test
from .cache_store import CacheStore
from .entry_bytes import new_version
from .entry_table import named_errors
from .last_writes import Own, read_own
from .protocol import Store
from .table_store import TableStore
from .types import (
    ABSENT,
    HAND,
    LISTENER,
    READER,
    UNTOLD,
    Address,
    Fence,
    Outgoing,
    Query,
    Read,
    Reading,
    Stored,
    Written,
)

__all__ = [
    "ABSENT",
    "HAND",
    "LISTENER",
    "READER",
    "UNTOLD",
    "Address",
    "Fence",
    "Outgoing",
    "Own",
    "Query",
    "Read",
    "Reading",
    "Store",
    "Stored",
    "Written",
    "current",
    "named_errors",
    "new_version",
    "of",
    "read_own",
]


def current() -> Store:
    """The store that ``KCK_PUBLISH["STORE"]`` names."""
    return _of_here(_store(settings.STORE, settings.DATABASE))


def of(values: Settings) -> Store:
    """The store that these settings name."""
    return _of_here(_store(values.STORE, values.DATABASE))


def _of_here(store: Store) -> Store:
    """The table instead of a cache inside a TestCase: a cache is not rolled back with the test."""
    if store.transactional or not is_in_test(connections[store.alias]):
        return store
    return _store("postgres", store.alias)


@lru_cache(maxsize=8)
def _store(name: str, alias: str) -> Store:
    kind, _, cache = name.partition(":")
    if kind != "cache":
        return TableStore(alias)
    if cache not in django_settings.CACHES:
        raise ConfigurationError(
            f"KCK_PUBLISH['STORE'] names the cache {cache!r}, which is not in CACHES."
        )
    return CacheStore(alias, cache)
