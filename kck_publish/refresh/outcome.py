"""The fates of the keys of a batch, one by one and counted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from ..products.product import Computed, Product
from ..stores import Address, Read, Stored
from .carry_over import Left
from .tasks import Task

if TYPE_CHECKING:
    from .batch_counts import Tally


class Act(Enum):
    """The act on the stored entry of a key."""

    WRITE = auto()
    ADOPT = auto()  # the value holds, and is the listener's from now on
    RENEW = auto()  # the value holds, and expires later
    REMOVE = auto()
    MARK = auto()  # as behind: its refresh failed
    NOTHING = auto()


class Fate(NamedTuple):
    """The fate of one key.

    Attributes:
        act: what is done to the stored entry.
        what: as ``Outcome`` counts it (``"primed"``, ``"augmented"``, ...), or ``""``.
        entry: what is written, adopted or renewed.
        task: what touched the key; None: nothing in this batch did.
        computed: what was computed; None: nothing was.
        reads: what it was computed from without declaring it; None: what was recorded before.
        told: whether those that depend on the key are told although nothing is written.
        settled: whether no earlier failure of the key is left.
        left: what the next batch need not do again.
        differed: whether its ``augment`` gave another value than a compute.
    """

    product: Product
    address: Address
    act: Act
    what: str = ""
    entry: Stored | None = None
    task: Task | None = None
    computed: Computed | None = None
    reads: Sequence[Read] | None = None
    told: bool = False
    settled: bool = True
    left: Left | None = None
    differed: bool = False

    @property
    def moved(self) -> bool:
        """Whether those that depend on the key are told."""
        return self.told or self.act in (Act.WRITE, Act.REMOVE)

    @property
    def changed(self) -> bool:
        """Whether another value is stored afterwards, or none."""
        return self.act in (Act.WRITE, Act.REMOVE)

    @property
    def present(self) -> bool:
        """Whether a value is stored afterwards, as far as this batch has looked."""
        return self.entry is not None and self.entry.body is not None

    @property
    def error(self) -> Exception | None:
        """Why the refresh failed, if it did."""
        return self.computed.error if self.computed is not None else None


@dataclass
class Outcome:
    """The work of a batch, in keys; ``changes`` in rows of the log.

    Attributes:
        tallies: the same and more, by product.
    """

    primed: int = 0
    augmented: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    differed: int = 0
    cascaded: int = 0
    postponed: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict, compare=False, repr=False)
    changes: int = 0

    def count(self, fate: Fate) -> None:
        """Count a key in."""
        if fate.what:
            setattr(self, fate.what, getattr(self, fate.what) + 1)
        if fate.differed:
            self.differed += 1

    def add(self, other: Outcome) -> None:
        """Count another batch in."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for product, tally in other.tallies.items():
            if product in self.tallies:
                self.tallies[product].add(tally)
            else:
                self.tallies[product] = replace(tally)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was done at all."""
        return not any(getattr(self, name) for name in _COUNTS)


_COUNTS = tuple(field.name for field in fields(Outcome) if field.name != "tallies")
