"""The questions of a batch before it computes, in one wait: entries stored, added, due."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..log.snapshot import Snapshot
from ..products.graph import Graph
from ..stores import Address, Query, Store, Stored, edges
from . import failures
from .paused_products import PAUSED, Postponing, names_of
from .session import Session
from .tasks import Work


class Survey:
    """One batch's look at the store.

    Args:
        graph: the products.
        store: where values live.
        session: where the batch reads.
        since: the cursor before the batch.
        few: of so many keys at the most, what is stored is asked at once.

    Attributes:
        adopted: what readers have added, and holds.
        any_failed: whether there is any failure to be forgotten.
        any_edges: whether any value has recorded what it was computed from.
        postponing: what is not done, since its product is paused.
    """

    def __init__(
        self, graph: Graph, store: Store, session: Session, since: Snapshot, few: int
    ) -> None:
        self._graph = graph
        self._store = store
        self._session = session
        self._since = since
        self._few = few
        self._previous: dict[str, Stored | None] = {}
        self.adopted: list[Stored] = []
        self.any_failed = False
        self.any_edges = False
        self.postponing = Postponing()

    def ask(self, work: Work, retry: Callable[[str], None]) -> None:
        """Ask at once what is due, what readers have added, and (of a few keys) what is stored."""
        addresses = [
            Address(key, task.product.fingerprint)
            for tasks in work.tasks.values()
            for key, task in tasks.items()
        ]
        if len(addresses) > self._few:
            addresses = []
        queries = [self._store.table.lazy_query(self._session.shard, self._session.shards)]
        queries += [self._state_query()]
        queries += [self._store.previous_query(addresses)] if addresses else []
        lazy, ((self.any_edges, self.any_failed, paused, due),), *entries = self._session.ask(
            *queries
        )
        if addresses:
            previous = self._store.previous_in(entries[0], addresses).entries
            self._previous = {address.key: previous.get(address.key) for address in addresses}
        self.postponing.paused = names_of(paused)
        for key in due:
            retry(key)
        self._adopt_lazy(lazy, work)

    def _state_query(self) -> Query:
        """Asks all that few batches need: one statement costs a tenth of the batch's own calls."""
        due, parameters = self._session.due_query()
        any_edge, any_failed = edges.ANY[0], failures.any_query()[0]
        query = f"SELECT ({any_edge}), ({any_failed}), ARRAY({PAUSED}), ARRAY({due})"
        return query, parameters

    def stored(self, addresses: Mapping[str, Address]) -> dict[str, Stored]:
        """The stored entries of these keys; some are known already."""
        unknown = [one for key, one in addresses.items() if key not in self._previous]
        found = {key: entry for key in addresses if (entry := self._previous.get(key)) is not None}
        if unknown:
            with self._session.cursor() as cursor:
                found |= self._store.previous(cursor, unknown).entries
        return found

    def _adopt_lazy(self, lazy: Sequence[Any], work: Work) -> None:
        """Adopt the entries that readers have added since the last batch, or prime them.

        A value whose stamp includes the cursor has missed nothing but this batch. An older one
        may have been added after an earlier batch had looked, and have missed that.
        """
        for entry in self._store.lazies(lazy):
            key, product = entry.address.key, self._graph.products.get(entry.product)
            if product is None or product.fingerprint != entry.address.fingerprint:
                continue
            parameters = product.parameters_if_known(key)
            if parameters is None:
                continue
            if not Snapshot.parse(entry.stamp).includes(self._since):
                work.want(product, key, parameters, "late")
            elif key not in work.tasks.get(entry.product, {}):
                self.adopted.append(entry)
