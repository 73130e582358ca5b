"""The dependencies whose keys are looked up, by paths: asked for all changes of a batch at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container
from functools import partial

from ..products.depends import ALL, All, Change, Depends, Touch
from ..products.graph import Graph
from ..products.join_walk import OldRows
from ..products.product import Product
from .errors import describe
from .target_tasks import TargetTasks
from .tasks import Work
from .user_calls import Attempt, CallFailedError

logger = logging.getLogger(__name__)

# So many changes are looked up at once.
PAGE = 1000


class KeyLookups:
    """Gathers the changes of one batch whose keys are looked up.

    Args:
        graph: who depends on what.
        tasks: is told the keys.
        attempt: calls user code.
        any_stored: whether anything of a product is stored.
        behind: the products under which changes were put aside.

    Attributes:
        old: what rows were before the batch.
    """

    def __init__(
        self,
        graph: Graph,
        tasks: TargetTasks,
        attempt: Attempt,
        any_stored: Callable[[Product], bool],
        behind: Container[str],
    ) -> None:
        self._graph = graph
        self._tasks = tasks
        self._attempt = attempt
        self._any_stored = any_stored
        self._behind = behind
        self._changes: dict[int, tuple[Product, Depends, list[Change]]] = {}
        self.old = OldRows()

    def add(self, product: Product, dependency: Depends, change: Change) -> None:
        """A change whose keys are looked up with those of the others."""
        place = (product, dependency, list[Change]())
        self._changes.setdefault(id(dependency), place)[2].append(change)

    def follow(self, work: Work) -> None:
        """Look the keys of all changes up, and forget these."""
        for product, dependency, changes in self._changes.values():
            self._look_up(work, product, dependency, changes)
        self._changes.clear()
        self.old = OldRows()

    def _look_up(
        self, work: Work, product: Product, dependency: Depends, changes: list[Change]
    ) -> None:
        if not self._graph.by_product.get(product.name) and not self._any_stored(product):
            return
        for start in range(0, len(changes), PAGE):
            targets = self._targets_of(product, dependency, changes[start : start + PAGE])
            if isinstance(targets, All):
                work.whole.setdefault(product.name, []).append({})
                return
            for touch in targets:
                self._tasks.touch(
                    work, product, dependency, touch.change, touch.target, touch.exact
                )

    def _targets_of(
        self, product: Product, dependency: Depends, changes: list[Change]
    ) -> list[Touch] | All:
        if product.name in self._behind and dependency.spanning:
            return ALL  # what a row on the way was may be among what was put aside
        call = partial(dependency.targets_of, changes, self.old)
        try:
            return self._attempt(f"the lookup of the keys of {product.name}", call)
        except CallFailedError as failed:  # a value that Python cannot hold, say
            logger.error(
                "The keys of %s that changed rows touch could not be looked up (%s): every stored "
                "key of it is primed. %s",
                product.name,
                type(failed.error).__name__,
                describe(failed.error),
            )
            return ALL
