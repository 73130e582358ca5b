"""Whole products of a batch: which keys "all of it" means, and which an eager domain still has.

``refresher`` asks before it computes.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from ..products.column_fits import fit
from ..products.compute import Batch, scope
from ..products.graph import Graph
from ..products.product import Parameters, Product
from ..stores import Store, edges
from .errors import describe
from .paused_products import Postponing
from .session import Session
from .tasks import Work, matches
from .user_calls import CallFailedError

logger = logging.getLogger(__name__)

# How many stored keys are asked at once.
PAGE = 2000


class Spreading:
    """Turns whole products into keys, for one batch.

    Args:
        graph: the products.
        store: tells which keys are stored.
        session: where the batch reads.
        batch: what a domain sees of other products.
        postponing: what is not done, since its product is paused.
    """

    def __init__(
        self, graph: Graph, store: Store, session: Session, batch: Batch, postponing: Postponing
    ) -> None:
        self._graph = graph
        self._store = store
        self._session = session
        self._batch = batch
        self._postponing = postponing
        self._domains: dict[str, set[str] | None] = {}

    def spread(self, work: Work) -> None:
        """Turn "the whole product" into its stored keys, and its domain where it is eager."""
        for name in self._graph.order:
            if (patterns := work.whole.get(name)) is None:
                continue
            product = self._graph.products[name]
            if name in self._postponing.paused:
                self._postponing.all_of(product)
                continue
            # Keys that are not stored cannot be named to those who were computed from them.
            for dependent, dependency in self._graph.by_product.get(name, ()):
                work.whole.setdefault(dependent.name, []).extend(
                    fit(
                        dependent.parameters,
                        {
                            mine: pattern[its]
                            for mine, its in dependency.mapping.items()
                            if its in pattern
                        },
                    )
                    for pattern in patterns
                )
            self._touch_read(work, product, patterns)
            self._touch(work, product, patterns)
            for key in (self._domain(product) if product.eager else None) or ():
                if self._session.owns(key):
                    parameters = product.parameters_of(key)
                    if _touched(parameters, patterns):
                        work.want(product, key, parameters, "domain")

    def _touch_read(self, work: Work, product: Product, patterns: Sequence[Parameters]) -> None:
        """Touch what others were computed from, stored or not: they are to be told."""
        with self._session.cursor() as cursor:
            read = edges.read_of(cursor, product.name)
        for key in read:
            if self._session.owns(key):
                parameters = product.parameters_if_known(key)
                if parameters is not None and _touched(parameters, patterns):
                    work.touch(product, key, parameters)

    def _touch(self, work: Work, product: Product, patterns: Sequence[Parameters]) -> None:
        """Touch each stored key; or, when there are too many for the batch, none yet."""
        touched: dict[str, dict[str, Any]] = {}
        for key in self._stored(product):
            if not self._session.owns(key):
                continue
            parameters = product.parameters_if_known(key)
            if parameters is not None and _touched(parameters, patterns):
                touched[key] = parameters
            if not self._session.any_room(len(touched)):
                self._session.defer(product.name)
                for task in work.tasks[product.name].values():
                    task.changes = None  # amended, it would lack what is to come
                return
        for key, parameters in touched.items():
            work.touch(product, key, parameters)

    def _stored(self, product: Product) -> Iterator[str]:
        after = uuid.UUID(int=0)
        while True:
            with self._session.cursor() as cursor:
                page = self._store.table.page(
                    cursor, product.name, product.fingerprint, after, PAGE
                )
            yield from (key for _, key in page)
            if len(page) < PAGE:
                return
            after = page[-1][0]

    def in_domain(self, product: Product, key: str) -> bool:
        """Whether an eager product's domain still has the key; asked once a batch."""
        if not product.eager:
            return True
        domain = self._domain(product)
        return domain is None or key in domain

    def compare(self, work: Work, product: Product) -> None:
        """Put who has joined an eager product's domain into the work, and who has left it."""
        if product.name in self._postponing.paused:
            self._postponing.domain(product)
            return
        members = self._domain(product) if product.eager else None
        if members is None:
            return
        left: set[str] = set()
        stored: set[str] = set()
        for key in self._stored(product):
            (stored if key in members else left).add(key)
        for key in sorted(left | (members - stored)):
            if self._session.owns(key):
                work.want(product, key, product.parameters_of(key), "domain")

    def _domain(self, product: Product) -> set[str] | None:
        """The members, as this batch has them; None when nobody says who they are."""
        if product.name not in self._domains:
            name = f"domain() of {product.name}"
            try:
                domain = self._session.attempt(name, partial(self._members, product))
            except CallFailedError as failed:  # then nothing has left it
                logger.error("%s failed: %s", name, describe(failed.error))
                domain = None
            self._domains[product.name] = domain
        return self._domains[product.name]

    def _members(self, product: Product) -> set[str] | None:
        with scope(product, self._batch):
            members = product.members()
            return None if members is None else {product.key_of(each) for each in members}


def _touched(parameters: Parameters, patterns: Sequence[Parameters]) -> bool:
    return any(matches(parameters, pattern) for pattern in patterns)
