"""What a batch asks before it computes, for one wait: what is stored, added by readers, or due."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..log.snapshot import Snapshot
from ..products.graph import Graph
from ..stores import Address, Store, Stored, edges
from . import failures
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
    """

    def __init__(
        self, graph: Graph, store: Store, session: Session, since: Snapshot, few: int
    ) -> None:
        self._graph = graph
        self._store = store
        self._session = session
        self._since = since
        self._few = few
        self._before: dict[str, Stored | None] = {}
        self.adopted: list[Stored] = []
        self.any_failed = False
        self.any_edges = False

    def ask(self, work: Work, retry: Callable[[str], None]) -> None:
        """Ask at once what is due, what readers have added, and (of a few keys) what is stored."""
        addresses = [
            Address(key, task.product.fingerprint)
            for tasks in work.tasks.values()
            for key, task in tasks.items()
        ]
        if len(addresses) > self._few:
            addresses = []
        due = self._session.due_query()
        queries = [self._store.table.lazy_query(self._session.shard, self._session.shards)]
        queries += [due, failures.any_query()] if due else []
        queries += [edges.ANY]
        queries += [self._store.before_query(addresses)] if addresses else []
        lazy, *more = self._session.ask(*queries)
        if addresses:
            entries = self._store.before_of(more.pop(), addresses).entries
            self._before = {one.key: entries.get(one.key) for one in addresses}
        ((self.any_edges,),) = more.pop()
        if due:
            ((self.any_failed,),) = more.pop()
            for (key,) in more.pop():
                retry(key)
        self._adopt_lazy(lazy, work)

    def stored(self, addresses: Mapping[str, Address]) -> dict[str, Stored]:
        """What is stored of these keys; of a few it is known already."""
        unknown = [one for key, one in addresses.items() if key not in self._before]
        found = {key: entry for key in addresses if (entry := self._before.get(key)) is not None}
        if unknown:
            with self._session.cursor() as cursor:
                found |= self._store.before(cursor, unknown).entries
        return found

    def _adopt_lazy(self, lazy: Sequence[Any], work: Work) -> None:
        """What readers have added since the last batch becomes ours, or is primed.

        A value whose stamp includes the cursor has missed nothing but this batch. An older one
        may have been added after an earlier batch had looked, and have missed that.
        """
        for entry in self._store.lazies(lazy):
            key, product = entry.address.key, self._graph.products.get(entry.product)
            if product is None or product.fingerprint != entry.address.fingerprint:
                continue
            if not Snapshot.parse(entry.stamp).includes(self._since):
                work.want(product, key, product.parameters_of(key), "late")
            elif key not in work.tasks.get(entry.product, {}):
                self.adopted.append(entry)
