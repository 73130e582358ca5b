"""What a batch needs around it, and what comes of it. ``refresh`` fills these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from ..postgres import Cursor
from ..products.product import Parameters, Product
from ..stores import Address, Fence, Query, Read, Stored
from . import failures as refresh_failures


class Session(Protocol):
    """Where a batch reads what is stored, and writes what it has computed."""

    shard: int
    shards: int
    owed: set[str]
    fence: Fence | None

    def owns(self, key: str) -> bool:
        """Whether a key is of the batch's shard."""

    def cursor(self) -> Cursor:
        """A cursor that sees the latest committed state."""

    def ask(self, *queries: Query) -> list[list[Any]]:
        """The rows of several queries."""

    def due_query(self) -> Query | None:
        """Asks the keys whose retry is due; None where nothing is retried."""

    def any_room(self, keys: int) -> bool:
        """Whether a batch has room for so many stored keys of a product that is touched whole."""

    def defer(self, product: str) -> None:
        """Have the stored keys of a product handled by later batches."""

    def recover(self) -> None:
        """Make the computing transaction usable again after an error in it."""

    def breathe(self, seconds: float = 0.0) -> None:
        """Give a sign of life, if one is due; there may be none for so long."""

    def stored(self, keys: Sequence[str]) -> None:
        """The entries of these keys have just been written: for who follows the store."""

    def writing(self, last: bool) -> Any:
        """A context manager with the cursor of a write transaction.

        Raises Fenced when the shard is not ours any more; with ``last`` the cursor of the log
        moves in the same transaction.
        """

    def record(self, failures: Sequence[refresh_failures.Failure]) -> None:
        """Keep that these failed, apart from what else is written; else they are ``owed``."""

    def forget(self, settled: Sequence[Address]) -> None:
        """These are no failures any more; if that cannot be written, they are tried once more."""


@dataclass
class Results:
    """What is to be written for one chunk of keys."""

    writes: list[Stored] = field(default_factory=list)
    removals: list[Address] = field(default_factory=list)
    adopted: list[Stored] = field(default_factory=list)
    renewals: list[Stored] = field(default_factory=list)
    failures: list[refresh_failures.Failure] = field(default_factory=list)
    settled: list[Address] = field(default_factory=list)
    touched: list[Address] = field(default_factory=list)
    told: list[Address] = field(default_factory=list)
    reads: dict[Address, Sequence[Read]] = field(default_factory=dict)
    events: list[tuple[Any, Product, str]] = field(default_factory=list)
    values: list[tuple[Product, Any, Parameters]] = field(default_factory=list)


@dataclass
class Outcome:
    """What a batch has done, in keys."""

    primed: int = 0
    augmented: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    differed: int = 0
    cascaded: int = 0
    changes: int = 0

    def add(self, other: Outcome) -> None:
        """Count another batch in."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
