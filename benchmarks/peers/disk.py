"""diskcache: a ``Cache`` in a folder of the host, shared by processes through SQLite files.

As its tutorial shows; pickled instances. It has no read of many keys: 100 are 100 reads.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile

import orjson

from benchmarks.models import Book
from benchmarks.peers import (
    BYTES,
    DECODED,
    HUNDRED,
    MANY,
    ONE,
    PAGE,
    PKS,
    Contestants,
    some,
)
from benchmarks.primers import AuthorPage

NAME = "diskcache"


def contestants() -> Contestants:
    """What is measured."""
    import diskcache

    folder = tempfile.mkdtemp(prefix="kck-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    cache, pk = diskcache.Cache(folder), some()
    with cache.transact():
        for key, row in Book.objects.in_bulk({*PKS, *HUNDRED}).items():
            cache[f"book/{key}"] = row
    page = AuthorPage().compute(author=PAGE)
    cache["page"], cache["bytes"] = page, orjson.dumps(page)
    many = [f"book/{key}" for key in HUNDRED]
    return {
        ONE: {NAME: lambda: cache.get(f"book/{pk()}")},
        MANY: {NAME: lambda: [cache.get(key) for key in many]},
        BYTES: {NAME: lambda: cache.get("bytes")},
        DECODED: {NAME: lambda: cache.get("page")},
    }
