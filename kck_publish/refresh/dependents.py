"""From changes to the keys that depend on them: what one batch has to refresh.

Reads the graph of the registry; ``batch`` does what is found here.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from typing import Any

from ..exceptions import KeyParameterMismatch
from ..log import refreshes
from ..log.keys import product_of
from ..log.reader import Decoder, Row
from ..products.column_fits import fit
from ..products.depends import ALL, All, Change, Depends, Touch
from ..products.domain import Membership
from ..products.graph import Graph
from ..products.join_walk import OldRows
from ..products.product import Product
from ..rows.publish import keys_published
from .carry_over import Echoes
from .errors import describe
from .tasks import Task, Work
from .user_calls import Attempt, CallFailedError, Recovering

logger = logging.getLogger(__name__)

# A key touched more often than this in one batch is primed: cheaper than so many steps.
MANY_CHANGES = 1000
# From so many touches of a product on, it is asked whether anything of it is stored at all.
WORTH_ASKING = 50
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
        self._alias = alias
        self._attempt = attempt
        self._any_stored = any_stored
        self._readers = readers
        self._echoes = echoes or Echoes()
        self._behind = behind
        self._refreshed: dict[str, list[Change]] = {}
        self._dormant: dict[str, bool] = {}
        self._touches: dict[str, int] = defaultdict(int)
        self._keys: dict[tuple[Any, ...], str | None] = {}
        # The token and the key of the row that is being looked at, where it tells of a refresh.
        self._echoed: tuple[str | None, str] | None = None
        self._looked: dict[int, tuple[Product, Depends, list[Change]]] = {}
        self._old = OldRows()

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
        for product, dependency, changes in self._looked.values():
            self._look_up(work, product, dependency, changes)
        self._looked.clear()
        self._old = OldRows()
        self._recorded(work)
        work.at = None
        return work

    def request(self, work: Work, key: str, reason: str) -> None:
        """Have a key primed because somebody, or a retry, asks for it."""
        product = self._graph.products.get(product_of(key))
        if product is None or not self._owns(key):
            return  # another version of the code knows it
        try:
            work.want(product, key, product.parameters_of(key), reason)
        except KeyParameterMismatch:
            logger.warning("A refresh was asked for of a key of an older form of %s.", product.name)

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
        self._echoed = ((row.old or [None])[0], key)
        for dependent, dependency in self._graph.by_product.get(row.source, ()):
            self._touch(work, dependent, dependency, change)
        self._echoed = None
        self._refreshed.setdefault(key, []).append(change)

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
        try:
            parameters = product.parameters_of(key) if product else {}
        except KeyParameterMismatch:
            parameters = {}
        return Change("update", name, parameters, parameters, origin, xid)

    def _recorded(self, work: Work) -> None:
        """The keys that were computed from refreshed keys without declaring it."""
        refreshed, self._refreshed = self._refreshed, {}
        for read, key in self._readers(refreshed) if refreshed else ():
            product = self._graph.products.get(product_of(key))
            if product is None or not self._owns(key):
                continue
            try:
                parameters = product.parameters_of(key)
            except KeyParameterMismatch:  # of an older form
                continue
            task = work.tasks[product.name].setdefault(key, Task(product, parameters, None))
            task.changes, task.news, task.at = None, True, task.at or work.at
            for change in refreshed[read]:
                task.xids.add(change.xid)
                task.last = change

    def _change(self, work: Work, change: Change) -> None:
        source: Any = change.source  # a model
        if change.old is not None and source in self._graph.walked:
            self._old.add(source, change.old)
        for product, dependency in self._graph.by_model.get(source, ()):
            if dependency.looked:  # asked for all changes at once
                if dependency.counts(change):
                    found = (product, dependency, list[Change]())
                    self._looked.setdefault(id(dependency), found)[2].append(change)
            else:
                self._touch(work, product, dependency, change)
        for model in self._graph.publishers.get(source, ()):
            self._publish(work, model, change)

    def _look_up(
        self, work: Work, product: Product, dependency: Depends, changes: list[Change]
    ) -> None:
        if not self._graph.by_product.get(product.name) and not self._any_stored(product):
            return
        for start in range(0, len(changes), MANY_CHANGES):
            targets = self._targets_of(product, dependency, changes[start : start + MANY_CHANGES])
            if isinstance(targets, All):
                work.whole.setdefault(product.name, []).append({})
                return
            for touch in targets:
                self._target(work, product, dependency, touch.change, touch.target, touch.exact)

    def _targets_of(
        self, product: Product, dependency: Depends, changes: list[Change]
    ) -> list[Touch] | All:
        if product.name in self._behind and dependency.spanning:
            return ALL  # what a row on the way was may be among what was put aside
        call = partial(dependency.targets_of, changes, self._old)
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

    def _publish(self, work: Work, model: Any, change: Change) -> None:
        """Run the model's own ``publish`` for both versions of the row."""
        published: list[dict[str, None]] = []
        for image in (change.old, change.new):
            published.append({})
            if not image:
                continue
            name, call = f"{model.__name__}.publish()", partial(keys_published, model, image)
            try:
                published[-1] = self._attempt(name, partial(call, self._alias))
            except CallFailedError as failed:  # declared lookups still hold
                logger.error("%s failed: %s", name, describe(failed.error))
                return
        old, new = published
        for key in old:
            work.publishing[key].discard((change.old or {}).get("pk"))
        for key in new:
            work.publishing[key].add((change.new or {}).get("pk"))
            product = self._graph.products.get(product_of(key))
            if product is not None and self._owns(key):
                work.want(product, key, product.parameters_of(key), "publish", change)
                work.removed.pop(key, None)
        for key in old:  # unless another row has taken it over
            if not work.publishing[key] and self._owns(key):
                work.removed[key] = None

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
            self._target(work, product, dependency, change, target)

    def _target(
        self,
        work: Work,
        product: Product,
        dependency: Depends,
        change: Change,
        target: Mapping[str, Any],
        exact: bool = True,
    ) -> None:
        named = product.named_by(change, dependency)
        if not named and not self._stored(product):
            return
        key = self._key(work, product, target)
        if key is None:
            return
        task = work.tasks[product.name].get(key)
        if task is None:
            changes: list[Change] | None = [] if product.augmentable else None
            task = Task(product, product.parameters_of(key), changes, news=False, at=work.at)
            work.tasks[product.name][key] = task
        task.news = task.news or not (self._echoed and self._echoes.told(*self._echoed, key))
        task.xids.add(change.xid)
        task.last = change
        task.named = task.named or named
        if not exact:
            task.changes = None
        if task.changes is not None:
            task.changes.append(dependency.shown(change))
            if len(task.changes) > MANY_CHANGES:
                task.changes = None

    def _stored(self, product: Product) -> bool:
        """Whether a change may concern a product: it, or what stands on it, is stored.

        What is not stored passes a change on to the products over it.
        """
        self._touches[product.name] += 1
        if self._touches[product.name] < WORTH_ASKING:
            return True
        if product.name not in self._dormant:
            below = bool(self._graph.by_product.get(product.name))
            self._dormant[product.name] = not (below or self._any_stored(product))
        return not self._dormant[product.name]

    def _key(self, work: Work, product: Product, target: Mapping[str, Any]) -> str | None:
        """The key of a target, if it names one of ours; many rows of a batch name the same."""
        try:
            place = (product.name, *target.items())
            if place in self._keys:
                return self._keys[place]
        except TypeError:  # a list, or the like
            return self._make_key(work, product, target)
        key = self._keys[place] = self._make_key(work, product, target)
        return key

    def _make_key(self, work: Work, product: Product, target: Mapping[str, Any]) -> str | None:
        if len(target) == 1 and product.plain is not None:
            ((name, value),) = target.items()
            plain = product.plain_key(value) if name == product.parameters[0].name else None
            if plain is not None:  # what most rows name
                return plain if self._owns(plain) else None
        target = fit(product.parameters, target)
        names = {parameter.name: parameter for parameter in product.parameters}
        missing = [name for name, value in target.items() if value is None and name in names]
        if any(not names[name].null for name in missing):
            return None  # a NULL that the parameter does not take: no key has it
        if len(target) < len(names) and set(target) <= set(names):
            work.whole.setdefault(product.name, []).append(dict(target))
            return None
        try:
            key = product.key_of(target)
        except KeyParameterMismatch as error:
            logger.error("Depends of %s gave a key that it has not: %s", product.name, error)
            work.whole[product.name] = [{}]
            return None
        return key if self._owns(key) else None
