"""What a changed row of a model with a ``publish()`` of its own publishes, and does no more."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from ..log.keys import product_of
from ..products.depends import Change
from ..products.graph import Graph
from ..rows.publish import keys_published
from .errors import describe
from .tasks import Work
from .user_calls import Attempt, CallFailedError

logger = logging.getLogger(__name__)


class Publishing:
    """Runs the models' own ``publish``, for one batch.

    Args:
        graph: the products.
        owns: whether a key is this worker's.
        alias: the database of the sources.
        attempt: calls user code.
    """

    def __init__(
        self, graph: Graph, owns: Callable[[str], bool], alias: str, attempt: Attempt
    ) -> None:
        self._graph = graph
        self._owns = owns
        self._alias = alias
        self._attempt = attempt

    def publish(self, work: Work, model: Any, change: Change) -> None:
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
