"""Tables and columns that computes read without declaring them, seen in a sample of stored keys."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.db import connections, transaction

from .. import stores
from ..exceptions import KeyParameterMismatch
from ..products import registry
from ..products.compute import compute
from ..products.undeclared_reads import collecting
from .registry import Asks, Problem, diagnosis

# How many stored keys are computed, and for how many seconds at the most.
KEYS = 50
SECONDS = 5.0


@diagnosis("undeclared reads", Asks.RUNNING)
def undeclared_reads(alias: str) -> Iterator[Problem]:
    """Computes of stored keys, chosen at random, that read what they do not declare."""
    until = time.monotonic() + SECONDS
    with collecting() as read:
        for name, key in _sample(alias):
            if time.monotonic() < until:
                _compute(alias, name, key)
    for name, what in sorted(read.items()):
        yield Problem(
            "W021",
            f"{name} reads {', '.join(sorted(what))} without declaring it: changes there do not "
            "refresh it.",
            "Add a Depends, or a column to its columns=[...]; or name the model in reads=[...].",
        )


def _sample(alias: str) -> list[tuple[str, str]]:
    with connections[alias].cursor() as cursor:
        return list(stores.current().table.sample(cursor, registry.graph().fingerprints, KEYS))


def _compute(alias: str, name: str, key: str) -> None:
    product = registry.graph().products.get(name)
    if product is None:
        return
    try:
        parameters = product.parameters_of(key)
    except KeyParameterMismatch:
        return  # of another version of the code
    with transaction.atomic(alias):
        compute(product, [parameters])
        transaction.set_rollback(True, alias)
