"""From changes to the keys that depend on them: what one batch has to refresh.

Reads the graph of the registry; ``target_tasks`` makes the work, which ``refresher`` does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from typing import Any

from ..log import refreshes
from ..log.decoder import Decoder
from ..log.keys import product_of
from ..log.reader import Row
from ..products.depends import All, Change, Depends
from ..products.domain import Membership
from ..products.graph import Graph
from ..products.product import Product
from .carry_over import Echoes
from .errors import describe
from .key_lookups import KeyLookups
from .publishing import Publishing
from .recorded_readers import RecordedReaders
from .target_tasks import TargetTasks
from .tasks import Work
from .user_calls import Attempt, CallFailedError, Recovering

logger = logging.getLogger(__name__)

_PLAINLY = Recovering()


class Dependents:
    """Collects the work of a batch, row by row.

    Args:
        graph: who depends on what.
        decoder: reads the rows of sources.
        owns: whether a key is this worker's.
        alias: the database of the sources.
        attempt: calls user code.
        any_stored: whether anything of a product is stored; asked after the batch was claimed.
        readers: which keys were computed from such keys (see ``edges``); asked likewise.
        echoes: what the batch before has left.
        behind: the products under which changes were put aside.
    """

    def __init__(
        self,
        graph: Graph,
        decoder: Decoder,
        owns: Callable[[str], bool],
        alias: str,
        attempt: Attempt = _PLAINLY,
        any_stored: Callable[[Product], bool] = lambda product: True,
        readers: Callable[[Iterable[str]], Iterable[tuple[str, str]]] = lambda keys: (),
        echoes: Echoes | None = None,
        behind: Container[str] = (),
    ) -> None:
        self._graph = graph
        self._decoder = decoder
        self._owns = owns
        self._attempt = attempt
        self._tasks = TargetTasks(graph, owns, any_stored, echoes or Echoes())
        self._lookups = KeyLookups(graph, self._tasks, attempt, any_stored, behind)
        self._publishing = Publishing(graph, owns, alias, attempt)
        self._recorded = RecordedReaders(graph, owns, readers)

    def collect(self, rows: Iterable[Row], work: Work | None = None) -> Work:
        """The work that these rows of the log make, beside what there is."""
        work = work or Work()
        for row in rows:
            work.changes += 1
            work.at = row.at
            if row.trace:
                work.traces[row.trace] = None
            work.oldest = min(work.oldest or row.at, row.at)
            if row.op == refreshes.REFRESH:
                self.request(work, (row.new or [""])[0] or "", "request")
            elif row.op == refreshes.REFRESHED:
                self._cascade(work, row)
            elif row.op in (refreshes.WHOLE, refreshes.DOMAIN):
                self._resume(work, row)
            else:
                for change in self._decoder.changes(row):
                    self._change(work, change)
        work.at = work.oldest
        self._lookups.follow(work)
        self._recorded.follow(work)
        work.at = None
        return work

    def request(self, work: Work, key: str, reason: str) -> None:
        """Have a key primed because somebody, or a retry, asks for it."""
        product = self._graph.products.get(product_of(key))
        if product is None or not self._owns(key):
            return  # another version of the code knows it
        parameters = product.parameters_if_known(key)
        if parameters is None:
            logger.warning("A refresh was asked for of a key of an older form of %s.", product.name)
            return
        work.want(product, key, parameters, reason)

    def _resume(self, work: Work, row: Row) -> None:
        """A product is resumed of which all, or the domain, was touched while it was paused."""
        product = self._graph.products.get(row.source)
        if product is None:
            return
        if row.op == refreshes.WHOLE:
            work.whole.setdefault(product.name, []).append({})
        if product.eager:
            work.domains[product.name] = None

    def _cascade(self, work: Work, row: Row) -> None:
        key = (row.new or [""])[0] or ""
        change = self._refreshed_change(row.source, key, row.origin, row.xid)
        self._tasks.echoed = ((row.old or [None])[0], key)
        for dependent, dependency in self._graph.by_product.get(row.source, ()):
            self._touch(work, dependent, dependency, change)
        self._tasks.echoed = None
        self._recorded.add(key, change)

    def over(self, product: str, keys: Mapping[str, int]) -> Work:
        """The keys that depend, by declaration, on keys of a product that this batch has refreshed.

        Args:
            keys: each with a transaction that has touched it.
        """
        work = Work()
        for key, xid in keys.items():
            change = self._refreshed_change(product, key, xid=xid)
            for dependent, dependency in self._graph.by_product[product]:
                self._touch(work, dependent, dependency, change)
        return work

    def _refreshed_change(
        self, name: str, key: str, origin: str | None = None, xid: int = 0
    ) -> Change:
        product = self._graph.products.get(name)
        parameters = (product.parameters_if_known(key) if product else None) or {}
        return Change("update", name, parameters, parameters, origin, xid)

    def _change(self, work: Work, change: Change) -> None:
        source: Any = change.source  # a model
        if change.old is not None and source in self._graph.walked:
            self._lookups.old.add(source, change.old)
        for product, dependency in self._graph.by_model.get(source, ()):
            if dependency.looked:  # asked for all changes at once
                if dependency.counts(change):
                    self._lookups.add(product, dependency, change)
            else:
                self._touch(work, product, dependency, change)
        for model in self._graph.publishers.get(source, ()):
            self._publishing.publish(work, model, change)

    def _touch(self, work: Work, product: Product, dependency: Depends, change: Change) -> None:
        if isinstance(dependency, Membership):
            work.domains[product.name] = None
            return
        try:
            if not dependency.counts(change):
                return
            call = partial(dependency.targets, change)
            targets = self._attempt(f"keys= of {product.name}", call)
        except CallFailedError as failed:  # which keys is not known
            logger.error(
                "keys= of %s failed (%s): every stored key of it is primed. %s",
                product.name,
                type(failed.error).__name__,
                describe(failed.error),
            )
            work.whole[product.name] = [{}]
            return
        if isinstance(targets, All) and not product.parameters and change.op != "truncate":
            targets = [{}]  # its one key, which can be amended
        if isinstance(targets, All):
            work.whole.setdefault(product.name, []).append({})
            return
        for target in targets:
            self._tasks.touch(work, product, dependency, change, target)
