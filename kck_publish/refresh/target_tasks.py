"""From the parameters that a change touches to the tasks of their keys."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from ..exceptions import KeyParameterMismatch
from ..products.column_fits import fit
from ..products.depends import Change, Depends
from ..products.graph import Graph
from ..products.product import Product
from .carry_over import Echoes
from .tasks import Task, Work

logger = logging.getLogger(__name__)

# A key touched more often than this in one batch is primed: cheaper than so many steps.
MANY_CHANGES = 1000
# From so many touches of a product on, it is asked whether anything of it is stored at all.
WORTH_ASKING = 50


class TargetTasks:
    """Makes the tasks of one batch.

    Args:
        graph: who depends on what.
        owns: whether a key is this worker's.
        any_stored: whether anything of a product is stored.
        echoes: what the batch before has left.

    Attributes:
        echoed: the token and the key of the row that is being looked at, where it tells of a
            refresh.
    """

    def __init__(
        self,
        graph: Graph,
        owns: Callable[[str], bool],
        any_stored: Callable[[Product], bool],
        echoes: Echoes,
    ) -> None:
        self._graph = graph
        self._owns = owns
        self._any_stored = any_stored
        self._echoes = echoes
        self._dormant: dict[str, bool] = {}
        self._touches: dict[str, int] = defaultdict(int)
        self._keys: dict[tuple[Any, ...], str | None] = {}
        self.echoed: tuple[str | None, str] | None = None

    def touch(
        self,
        work: Work,
        product: Product,
        dependency: Depends,
        change: Change,
        target: Mapping[str, Any],
        exact: bool = True,
    ) -> None:
        """A change touches the keys with these parameters.

        Args:
            exact: whether the key can be amended by it.
        """
        named = product.named_by(change, dependency)
        if not named and not self._stored(product):
            return
        key = self._key(work, product, target)
        if key is None:
            return
        task = work.tasks[product.name].get(key)
        if task is None:
            parameters = product.parameters_if_known(key)
            if parameters is None:
                logger.error(
                    "A parameter of %s writes a text that it does not read: all of it is primed.",
                    product.name,
                )
                work.whole[product.name] = [{}]
                return
            changes: list[Change] | None = [] if product.augmentable else None
            task = Task(product, parameters, changes, news=False, at=work.at)
            work.tasks[product.name][key] = task
        task.news = task.news or not (self.echoed and self._echoes.told(*self.echoed, key))
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
