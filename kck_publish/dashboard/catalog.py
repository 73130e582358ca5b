"""The products, as rows of a table: what each is, how it does, and in which state it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..aggregates.product import AggregateProduct
from ..ops.explain import computed_by
from ..ops.graph import signature
from ..products import registry
from ..products.domain import DomainProduct
from ..products.product import Product
from ..querysets.product import QuerySetProduct
from ..rows.methods import MethodProduct
from ..rows.products import ListProduct, RowProduct
from ..rows.table_products import KeysProduct, TableProduct
from .asking import Rows

# The states, the most urgent first, with what a reader is told of each.
STATES = {
    "dead": "failed for good",
    "failing": "failing",
    "paused": "paused",
    "behind": "behind",
    "ok": "up to date",
    "idle": "nothing stored",
}
_KINDS: tuple[tuple[type[Product], str], ...] = (
    (ListProduct, "list of rows"),
    (RowProduct, "row"),
    (TableProduct, "table"),
    (KeysProduct, "keys"),
    (MethodProduct, "method"),
    (AggregateProduct, "aggregate"),
    (QuerySetProduct, "queryset"),
)


@dataclass(frozen=True)
class Line:
    """One product of the table; None for a figure that is not known.

    Attributes:
        keys, bytes, behind: of what is stored.
        exact: whether these are counted, not scaled up from a sample.
        rate: refreshes a minute in the last hour.
        mean, longest: seconds of a compute in the last hour.
        lag: seconds from a change to the write, on the average of the last hour.
        failed: refreshes that failed in the last hour.
        retrying, dead: keys that fail now.
        paused: the row of its pause.
    """

    product: Product
    state: str
    keys: int
    bytes: int
    behind: int
    exact: bool
    rate: float
    mean: float | None
    longest: float | None
    lag: float | None
    failed: int
    retrying: int
    dead: int
    paused: dict[str, Any] | None

    @property
    def name(self) -> str:
        """Of the product."""
        return self.product.name

    @property
    def signature(self) -> str:
        """The name with the parameters."""
        return signature(self.product)

    @property
    def kind(self) -> str:
        """What declares it."""
        return next((text for type_, text in _KINDS if isinstance(self.product, type_)), "primer")

    @property
    def computed_by(self) -> str:
        """The class, or the model whose rows it holds."""
        return computed_by(self.product)

    @property
    def failing(self) -> int:
        """Keys that fail now."""
        return self.retrying + self.dead

    @property
    def says(self) -> str:
        """The state in words."""
        return STATES[self.state]

    @property
    def urgency(self) -> int:
        """0 for the most urgent state."""
        return list(STATES).index(self.state)


def shown() -> dict[str, Product]:
    """The products that a reader knows: the domains of others are not among them."""
    products = registry.graph().products.items()
    return {name: product for name, product in products if not isinstance(product, DomainProduct)}


def lines(rows: Mapping[str, Rows]) -> list[Line]:
    """All products, the most urgent first.

    Args:
        rows: of the queries STATE, RECENT ("recent") and STORED ("stored").
    """
    by = {
        name: {row["product"]: row for row in rows[name]}
        for name in ("recent", "stored", "failures", "pauses")
    }
    found = [
        _line(product, {name: of.get(product.name) for name, of in by.items()})
        for product in shown().values()
    ]
    return sorted(found, key=lambda line: (line.urgency, line.name))


def _line(product: Product, of: Mapping[str, dict[str, Any] | None]) -> Line:
    recent, stored = of["recent"] or {}, of["stored"] or {}
    failures = of["failures"] or {}
    computes, lagged = recent.get("computes"), recent.get("lagged")
    return Line(
        product,
        _state(failures, of["pauses"], stored),
        stored.get("keys", 0),
        stored.get("bytes") or 0,
        stored.get("behind", 0),
        stored.get("exact", True),
        recent.get("refreshes", 0) / 60,
        recent["seconds"] / computes if computes else None,
        recent["seconds_max"] if computes else None,
        recent["lag"] / lagged if lagged else None,
        int(recent.get("failed", 0)),
        failures.get("retrying", 0),
        failures.get("dead", 0),
        of["pauses"],
    )


def _state(failures: dict[str, Any], pause: object, stored: dict[str, Any]) -> str:
    if failures.get("dead"):
        return "dead"
    if failures.get("retrying"):
        return "failing"
    if pause is not None:
        return "paused"
    if stored.get("behind"):
        return "behind"
    return "ok" if stored.get("keys") else "idle"
