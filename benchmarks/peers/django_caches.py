"""Django's cache framework: pickled instances and values, kept for a month.

Over Redis with Django's own backend (hiredis parses, as redis-py advises), over the database with
DatabaseCache, and over locmem, which no other process shares.
"""

from __future__ import annotations

from functools import partial

import orjson
from django.core.cache import caches

from benchmarks.models import Book
from benchmarks.peers import (
    BYTES,
    DECODED,
    DJANGO_DATABASE,
    DJANGO_REDIS,
    FOREVER,
    HUNDRED,
    MANY,
    ONE,
    PAGE,
    PKS,
    Contestants,
    some,
)
from benchmarks.primers import AuthorPage

CACHES = {
    "peers": DJANGO_REDIS,
    "database": DJANGO_DATABASE,
    "default": "Django's cache, locmem",
}


def contestants() -> Contestants:
    """What is measured."""
    found: Contestants = {ONE: {}, MANY: {}, BYTES: {}, DECODED: {}}
    rows = {f"book/{pk}": row for pk, row in Book.objects.in_bulk({*PKS, *HUNDRED}).items()}
    page = AuthorPage().compute(author=PAGE)
    many = [f"book/{pk}" for pk in HUNDRED]
    for alias, name in CACHES.items():
        cache, pk = caches[alias], some()
        cache.set_many(rows, FOREVER)
        cache.set("page", page, FOREVER)
        cache.set("bytes", orjson.dumps(page), FOREVER)
        get = cache.get
        found[ONE][name] = lambda get=get, pk=pk: get(f"book/{pk()}")  # type: ignore[misc]
        found[MANY][name] = partial(cache.get_many, many)
        found[BYTES][name] = partial(get, "bytes")
        found[DECODED][name] = partial(get, "page")
    return found
