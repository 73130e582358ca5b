"""The keys that were computed from refreshed keys without declaring it: see ``stores.edges``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..log.keys import product_of
from ..products.depends import Change
from ..products.graph import Graph
from .tasks import Task, Work


class RecordedReaders:
    """Gathers the refreshed keys of one batch, then finds their readers.

    Args:
        graph: the products.
        owns: whether a key is this worker's.
        readers: which keys were computed from such keys.
    """

    def __init__(
        self,
        graph: Graph,
        owns: Callable[[str], bool],
        readers: Callable[[Iterable[str]], Iterable[tuple[str, str]]],
    ) -> None:
        self._graph = graph
        self._owns = owns
        self._readers = readers
        self._refreshed: dict[str, list[Change]] = {}

    def add(self, key: str, change: Change) -> None:
        """A key was refreshed, as this change says."""
        self._refreshed.setdefault(key, []).append(change)

    def follow(self, work: Work) -> None:
        """The keys that were computed from refreshed keys without declaring it."""
        refreshed, self._refreshed = self._refreshed, {}
        for read, key in self._readers(refreshed) if refreshed else ():
            product = self._graph.products.get(product_of(key))
            if product is None or not self._owns(key):
                continue
            parameters = product.parameters_if_known(key)
            if parameters is None:
                continue
            task = work.tasks[product.name].setdefault(key, Task(product, parameters, None))
            task.changes, task.news, task.at = None, True, task.at or work.at
            for change in refreshed[read]:
                task.xids.add(change.xid)
                task.last = change
