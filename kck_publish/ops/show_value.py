"""Whether a product lets its values be shown to operators, who need a permission besides."""

from __future__ import annotations

from collections.abc import Iterable

from ..products import registry
from ..products.product import Product
from ..refresh.paused_products import DOMAIN


def may_be_shown(product: Product | None) -> bool:
    """Whether neither the product nor the model whose rows it holds says ``show_value = False``."""
    owners = (product, getattr(product, "model", None))
    return all(getattr(owner, "show_value", True) is not False for owner in owners)


def hidden(names: Iterable[str]) -> set[str]:
    """Those of these products, and of their domains, whose values are not to be shown."""
    products = registry.graph().products
    return {name for name in names if not may_be_shown(products.get(name.removesuffix(DOMAIN)))}
