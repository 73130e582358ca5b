"""Rows that one read of ``.cached`` has given, and that fetch their relations together.

``reader`` marks what it gives; ``relations`` asks which rows came together. The mark stands in the
row's ``_state``, beside what Django keeps there of where a row is from.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from django.db.models import Model

from ..products.product import Tree as Tree

# Under which name a row's state has its mark.
MARK = "kck_publish_peers"
_DANGLING = "kck_publish_dangling"


class Peers:
    """The rows of one read. It does not keep them alive, and a pickled row is alone."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Iterable[Model] = ()) -> None:
        self.join(rows)

    def join(self, rows: Iterable[Model]) -> None:
        """These came together; each has the mark."""
        self._rows = list(map(weakref.ref, rows))

    def __iter__(self) -> Any:
        return (row for reference in self._rows if (row := reference()) is not None)

    def __reduce__(self) -> Any:
        return tuple, ()  # a mark without rows, that names no class of ours


# Those of a row that came alone.
ALONE = Peers()


def mark(rows: Iterable[Model], embedded: Tree | None = None) -> None:
    """Remember that these rows are from ``.cached``, and came together.

    Args:
        rows: what one read gives.
        embedded: the relations that they have with them.
    """
    together = list(rows)
    peers = Peers(together) if len(together) > 1 else ALONE
    for row in together:
        # In a request a row is one object for all: what it came together with before is kept.
        if peers is not ALONE or not is_cached(row):
            row._state.__dict__[MARK] = peers
    for name, further in (embedded or {}).items():
        related = {id(one): one for row in together if (one := _embedded(row, name)) is not None}
        mark(related.values(), further)


def unmark(row: Model) -> None:
    """From now on this row is the database's."""
    row._state.__dict__.pop(MARK, None)


def is_cached(row: Model) -> bool:
    """Whether the row is from ``.cached``."""
    return MARK in row._state.__dict__


def together_with(row: Model) -> list[Model]:
    """The row itself first, then those it came with; none when it is not from ``.cached``."""
    if not is_cached(row):
        return []
    others = row._state.__dict__[MARK]
    return [row, *(peer for peer in others if peer is not row and is_cached(peer))]


def give_up(row: Model, relation: str) -> None:
    """The related row does not exist: leave the relation to the ORM from now on."""
    known = row._state.__dict__.get(_DANGLING, frozenset())
    row._state.__dict__[_DANGLING] = known | {relation}


def has_given_up(row: Model, relation: str) -> bool:
    """Whether ``give_up`` was called for it."""
    return relation in row._state.__dict__.get(_DANGLING, ())


def _embedded(row: Model, name: str) -> Model | None:
    state: Any = row._state
    found: Model | None = state.fields_cache.get(name)
    return found
