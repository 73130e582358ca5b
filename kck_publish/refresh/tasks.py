"""The work of one batch: the keys that its changes touch. Pure.

``dependents`` collects it, ``batch`` does it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..products.depends import Change
from ..products.product import Parameters, Product


def matches(parameters: Parameters, pattern: Parameters) -> bool:
    """Whether a key's parameters are those of a pattern, which may leave some out."""
    return all(parameters.get(name) == value for name, value in pattern.items())


@dataclass(slots=True)
class Task:
    """One key to refresh.

    Attributes:
        changes: what to augment with, in order; None when it has to be primed.
        xids: the transactions that touched it.
        named: whether it is to be primed although it is not stored.
        reason: why, in a word, for ``kck_explain``.
        last: the last change that touched it.
        news: whether any of it is news to who has done the batch before (see ``carry_over``).
        at: when the first change that touched it was written; None where no change did.
    """

    product: Product
    parameters: Parameters
    changes: list[Change] | None
    named: bool = False
    reason: str = "change"
    xids: set[int] = field(default_factory=set)
    last: Change | None = None
    news: bool = True
    at: datetime | None = None

    @property
    def why(self) -> str:
        """The reason and, where there is one, the change: ``change: update of book, xid 7``."""
        if self.last is None:
            return self.reason
        source = self.last.source
        name = source if isinstance(source, str) else source._meta.db_table
        xid = f", xid {self.last.xid}" if self.last.xid else ""
        return f"{self.reason}: {self.last.op} of {name}{xid}"


@dataclass
class Work:
    """The work of one batch.

    Attributes:
        tasks: by product, then by key.
        whole: products of which every stored key is touched, with what the parameters must be.
        removed: keys that only the old version of a row published.
        publishing: by key, the pks of the rows of this batch that publish it now.
        domains: products whose domain has changed.
        oldest: when the oldest change was made.
        swept: products of which other versions of the code are to keep nothing.
        changes: rows of the log.
        at: when the row was written that is being collected.
        traces: the traceparents of who wrote.
    """

    tasks: dict[str, dict[str, Task]] = field(default_factory=lambda: defaultdict(dict))
    whole: dict[str, list[Parameters]] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)
    publishing: dict[str, set[Any]] = field(default_factory=lambda: defaultdict(set))
    domains: dict[str, None] = field(default_factory=dict)
    swept: list[str] = field(default_factory=list)
    changes: int = 0
    oldest: datetime | None = None
    at: datetime | None = None
    traces: dict[str, None] = field(default_factory=dict)

    def want(
        self,
        product: Product,
        key: str,
        parameters: Parameters,
        reason: str,
        by: Change | None = None,
    ) -> None:
        """Have a key primed, stored or not."""
        task = self.tasks[product.name].setdefault(
            key, Task(product, parameters, None, reason=reason, at=self.at)
        )
        task.changes, task.named, task.reason, task.news = None, True, reason, True
        task.last = by or task.last

    def touch(self, product: Product, key: str, parameters: Parameters) -> None:
        """Have a stored key primed: its product is touched as a whole."""
        task = self.tasks[product.name].setdefault(key, Task(product, parameters, None))
        task.at = task.at or self.oldest
        # Its xids are not all that touched it, so that its stamp does not tell.
        task.changes, task.reason, task.news = None, "whole", True

    def follow(self, key: str, task: Task) -> None:
        """Have a key primed because one that it depends on is refreshed in this very batch."""
        mine = self.tasks[task.product.name].setdefault(key, task)
        mine.changes, mine.last, mine.news = None, task.last, True
        mine.named = mine.named or task.named
        mine.at = mine.at or self.oldest
        mine.xids.clear()  # no stamp tells that it was reached

    @property
    def size(self) -> int:
        """The number of keys."""
        return sum(map(len, self.tasks.values()))
