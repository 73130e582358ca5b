"""django-cachalot: the ORM's own queries, cached by its patches of the SQL compiler.

As its documentation advises: in INSTALLED_APPS, ``CACHALOT_CACHE`` names the cache, no time-out. It
patches the ORM, so each cache has a process of its own.
"""

from __future__ import annotations

import os

import orjson

from benchmarks.models import Book
from benchmarks.peers import BYTES, DECODED, HUNDRED, MANY, ONE, PAGE, Contestants, some
from benchmarks.primers import AuthorPage


def contestants() -> Contestants:
    """What is measured."""
    name = f"django-cachalot, {os.environ['KCK_BENCH_KIND']}"
    compute, pk = AuthorPage().compute, some()
    return {
        ONE: {name: lambda: Book.objects.get(pk=pk())},
        MANY: {name: lambda: Book.objects.in_bulk(HUNDRED)},
        BYTES: {name: lambda: orjson.dumps(compute(author=PAGE))},
        DECODED: {name: lambda: compute(author=PAGE)},
    }
