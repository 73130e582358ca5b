"""The cascade of a batch: keys that depend on refreshed keys are refreshed in the same batch.

``batch`` notes here what it has changed and how it has left things. After each product those that
depend on it get more work, which comes later in the order of dependence; and the next batch is told
what it need not do again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from ..products.compute import Batch, scope
from ..products.graph import Graph
from ..products.product import Product
from .carry_over import Echoes, Left
from .session import Session
from .tasks import Work

# Finds what depends on such keys of a product, each given with a transaction that touched it.
Over = Callable[[str, Mapping[str, int]], Work]


class Cascading:
    """The cascade within one batch.

    Args:
        graph: the products.
        session: tells how much a batch may hold.
        until: the snapshot of the batch.
        batch: what those who find keys see of other products.
    """

    def __init__(self, graph: Graph, session: Session, until: str, batch: Batch) -> None:
        self._graph = graph
        self._session = session
        self._until = until
        self._batch = batch
        self._moved: dict[str, None] = {}
        self._left: dict[str, Left] = {}
        self.token = uuid.uuid4().hex

    def moved(self, key: str) -> None:
        """Those that depend on this key are to be told."""
        self._moved[key] = None

    def leave(self, product: Product, key: str, left: Left) -> None:
        """The state in which a key was left."""
        if any(self._graph.upstream(product.name)):
            self._left[key] = left

    def follow(self, name: str, work: Work, over: Over) -> list[str]:
        """Have what depends on the refreshed keys of a product refreshed in this batch.

        What is not is found in the log by the next one: what is amended, what is touched as a
        whole, and what is too much; and what another compute was given before its own turn, and so
        perhaps too early: it stays as it was given, and has not seen the refreshed key.

        Returns:
            the products that had no work before.
        """
        moved, self._moved = self._moved, {}
        if not moved or not self._graph.by_product.get(name):
            return []
        last = {key: work.tasks[name][key].last for key in moved}
        with scope(self._graph.products[name], self._batch):
            found = over(name, {key: change.xid if change else 0 for key, change in last.items()})
        if not self._session.any_room(found.size + work.size):
            return []
        new = []
        for later, tasks in found.tasks.items():
            if tasks and not self._graph.products[later].augmentable:
                if not work.tasks.get(later):
                    new.append(later)
                for key, task in tasks.items():
                    work.follow(key, task)
        return new

    def echoes(self) -> Echoes:
        """The work that the next batch need not do again."""
        few = self._session.any_room(len(self._left))
        return Echoes(self.token, self._until, self._left if few else {})
