"""The cache that the store is in, where it is in one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache

from ..conf import settings
from .registry import Asks, Problem, diagnosis


def _cache_alias() -> str:
    return settings.STORE.partition(":")[2]


@diagnosis("shared store", Asks.CODE)
def unshared_store(alias: str) -> Iterator[Problem]:
    """A cache that is one process's own, or keeps nothing."""
    cache = _cache_alias()
    known = cache in caches.settings  # else its name is what is wrong: E001
    if known and isinstance(caches[cache], LocMemCache | DummyCache):
        yield Problem(
            "W016",
            f"STORE is the cache {cache!r}, which no two processes share: the listener refreshes "
            "a store that no other process reads.",
            "Use Redis, Memcached or another server, or STORE = 'postgres'. In tests of one "
            "process it works: name kck_publish.W016 in SILENCED_SYSTEM_CHECKS there.",
        )


@diagnosis("store", Asks.RUNNING)
def unreachable_store(alias: str) -> Iterator[Problem]:
    """A cache that does not take a value, or does not give it back."""
    cache = _cache_alias()
    if not cache:
        return
    name, value = f"kck_publish_doctor_{secrets.token_hex(8)}", secrets.token_hex(8)
    try:
        caches[cache].set(name, value, 60)
        held = caches[cache].get(name) == value
        caches[cache].delete(name)
        why = "does not give back what was stored"
    except Exception as error:  # noqa: BLE001 - cache backends have no error in common
        held, why = False, f"cannot be reached ({type(error).__name__})"
    if not held:
        yield Problem(
            "E017",
            f"The cache {cache!r} {why}: reads compute, and the listener waits.",
            "See that the server runs, that LOCATION is right, and that it is not full of what "
            "it must not evict.",
        )
