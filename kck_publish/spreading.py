"""Whole products of a batch: which keys "all of it" means, and which an eager domain still has.

``refresh`` asks before it computes.
"""

from __future__ import annotations

import logging

from .products import Parameters, Product
from .registry import Graph
from .results import Session
from .stores import Address, Store
from .work import Task, Work

logger = logging.getLogger("kck_publish")


class Spreading:
    """Turns whole products into keys, for one batch.

    Args:
        graph: the products.
        store: tells which keys are stored.
        session: where the batch reads.
    """

    def __init__(self, graph: Graph, store: Store, session: Session) -> None:
        self._graph = graph
        self._store = store
        self._session = session
        self._domains: dict[str, set[str] | None] = {}

    def spread(self, work: Work) -> None:
        """Turn "the whole product" into its stored keys, and its domain where it is eager."""
        for name in self._graph.order:
            if (patterns := work.whole.get(name)) is None:
                continue
            product = self._graph.products[name]
            # Keys that are not stored cannot be named to those who were computed from them.
            for dependent, dependency in self._graph.by_product.get(name, ()):
                work.whole.setdefault(dependent.name, []).extend(
                    {mine: one[its] for mine, its in dependency.mapping.items() if its in one}
                    for one in patterns
                )
            with self._session.cursor() as cursor:
                stored = self._store.enumerate(cursor, name, product.fingerprint)
            for key in stored:
                if self._owns(key):
                    parameters = product.parameters_of(key)
                    if any(_matches(parameters, pattern) for pattern in patterns):
                        task = Task(product, parameters, None)
                        task = work.tasks[name].setdefault(key, task)
                        # Its xids are not all that touched it: see _reached.
                        task.changes, task.reason = None, "whole"
            if product.eager and (members := product.members()) is not None:
                for member in members:
                    key = product.key_of(member)
                    if self._owns(key) and any(_matches(member, one) for one in patterns):
                        work.want(product, key, product.parameters_of(key), "domain")

    def in_domain(self, product: Product, key: str) -> bool:
        """Whether an eager product's domain still has the key; asked once a batch."""
        if not product.eager:
            return True
        if product.name not in self._domains:
            try:
                members = product.members()
                domain = None if members is None else {product.key_of(one) for one in members}
            except Exception as error:  # noqa: BLE001 - the user's: then nothing has left it
                self._session.recover()
                logger.error("domain() of %s failed: %s", product.name, type(error).__name__)
                domain = None
            self._domains[product.name] = domain
        domain = self._domains[product.name]
        return domain is None or key in domain

    def _owns(self, key: str) -> bool:
        return Address(key, "").bucket % self._session.shards == self._session.shard


def _matches(parameters: Parameters, pattern: Parameters) -> bool:
    return all(parameters.get(name) == value for name, value in pattern.items())
