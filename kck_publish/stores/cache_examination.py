"""Are a cache's values of this database? If not, they are begun anew: see ``generation``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import psycopg

from ..postgres import Cursor
from . import generation
from .cache_entries import CacheEntries
from .near import journal

logger = logging.getLogger("kck_publish")


def examine(
    desk: psycopg.Connection[Any],
    cache: str,
    entries: CacheEntries,
    drop: Callable[[Cursor], None],
    level: int,
) -> bool:
    """See that the values are of this database's past; whether they were begun anew.

    Args:
        desk: the listener's own connection, in autocommit.
        cache: the alias of the cache.
        entries: the values in it.
        drop: removes all entries, of whichever state.
        level: at which the log is told that they were begun anew.

    Raises:
        StoreUnreachable: the cache cannot be asked.
    """
    with desk.cursor() as cursor:
        now, marker = generation.state(cursor, cache), entries.marker()
        server = entries.server()
        if now.generation is not None and not now.fault(marker, server):
            if marker != now.marker(server):
                entries.mark(now.marker(server))
            return False
        cursor.execute(generation.LOCK)
        try:
            return _begin_anew(desk, cursor, cache, entries, drop, level)
        finally:
            cursor.execute(generation.UNLOCK)


def _begin_anew(
    desk: psycopg.Connection[Any],
    cursor: Cursor,
    cache: str,
    entries: CacheEntries,
    drop: Callable[[Cursor], None],
    level: int,
) -> bool:
    """Give all values other names, unless another listener just has."""
    now, marker = generation.state(cursor, cache), entries.marker()
    server = entries.server()
    fault = now.fault(marker, server)
    if not fault:
        generation.keep_first(cursor, cache, now.cluster)
        entries.mark(generation.state(cursor, cache).marker(server))
        return False
    logger.log(
        level,
        "The values in the cache %r may not be those of this database (%s): it is begun "
        "anew, and everything is primed again.",
        cache,
        fault,
    )
    before = {now.generation or generation.FIRST, (marker or now.marker(server)).generation}
    with desk.transaction():
        cursor.execute("SET LOCAL synchronous_commit = on")
        cursor.execute(generation.CLAIM)
        drop(cursor)
        generation.keep_new(cursor, cache, now.cluster)
    # Only now: who adds under the new names sees the claim, and so asks for a refresh.
    entries.mark(generation.state(cursor, cache).marker(server))
    journal.tell_all(cursor)
    for old in before:
        entries.sweep(old)
    return True
