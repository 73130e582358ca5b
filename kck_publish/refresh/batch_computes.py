"""A batch as its computes see it: the values that it has computed stand before the stored ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..products.compute import compute
from ..products.product import Computed, Parameters, Product
from .paused_products import Postponing
from .session import Session
from .tasks import Work


class BatchComputes:
    """What the computes of one batch share: see ``products.compute.Batch``.

    Args:
        session: where the batch computes.
        postponing: tells which products are paused.

    Attributes:
        work: what the batch refreshes.
        fresh: the values that this batch has computed, by key, as far as other products read them.
        memory: what was read in the batch's one snapshot; None: there may be several.
        check: sees that a compute has left the connection.
    """

    def __init__(self, session: Session, postponing: Postponing) -> None:
        self._session = session
        self._postponing = postponing
        self.work = Work()
        self.fresh: dict[str, Computed] = {}
        self.check = session.check
        self.memory: dict[Any, Any] | None = {} if session.sees_one_state else None

    def lookup(self, product: Product, key: str, parameters: Parameters) -> Computed | None:
        """The value of a key that this batch touches, as another product's compute sees it.

        Of a paused product it sees what is stored, as a reader does.
        """
        if product.name in self._postponing.paused:
            return None
        if key not in self.fresh and key in self.work.tasks.get(product.name, {}):
            # Touched, and not computed yet, or not kept: only a compute is true to the batch.
            (self.fresh[key],) = compute(product, [parameters], self)
        return self.fresh.get(key)

    def breathe(self, seconds: float = 0.0) -> None:
        """Give a sign of life, if one is due; there may be none for so long."""
        self._session.breathe(seconds)

    def recover(self, keys: Sequence[str] = ()) -> None:
        """Make the batch's transaction usable again after a compute that failed in it."""
        self._session.recover(keys)

    def admit(self, product: Product, parameters: Sequence[Parameters], alone: bool) -> None:
        """See whether a compute may begin, or has to fail. Raises ConnectionLost."""
        if self._session.losses.any:
            self._session.losses.admit([*map(product.key_of, parameters)], alone)
