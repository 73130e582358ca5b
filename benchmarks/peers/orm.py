"""Django's ORM: a persistent connection, ``get`` by the primary key, ``in_bulk``, a view's page.

Nothing is prepared by Django's own default; in a process with ``prepare_threshold`` in its OPTIONS
(and ``server_side_binding``, without which nothing is ever the same statement) it is.
"""

from __future__ import annotations

import orjson

from benchmarks.models import Book
from benchmarks.peers import BYTES, DECODED, HUNDRED, MANY, ONE, ORM, PAGE, Contestants, some
from benchmarks.primers import AuthorPage


def contestants() -> Contestants:
    """What is measured."""
    pk, primer = some(), AuthorPage()
    return {
        ONE: {ORM: lambda: Book.objects.get(pk=pk())},
        MANY: {ORM: lambda: Book.objects.in_bulk(HUNDRED)},
        BYTES: {ORM: lambda: orjson.dumps(primer.compute(author=PAGE))},
        DECODED: {ORM: lambda: primer.compute(author=PAGE)},
    }
