"""How narrow the dependencies of querysets became: which tables touch all keys of a product."""

from __future__ import annotations

from collections.abc import Iterator

from ..products import registry
from ..querysets.plan import Read
from .registry import Asks, Problem, diagnosis


@diagnosis("querysets", Asks.CODE)
def wide_querysets(alias: str) -> Iterator[Problem]:
    """A queryset of which any change of a table touches every stored key."""
    for product in registry.graph().products.values():
        if product.why_primed:
            yield Problem(
                "I033",
                f"{product.name} is primed by each change that touches it, and not augmented: "
                f"{product.why_primed}.",
                'That is right, and a query for each such key. The page "Products from querysets" '
                "of the reference says which are augmented.",
                product,
            )
        reads = [one for one in product.depends_on if isinstance(one, Read) and not one.found]
        wide = dict.fromkeys(
            f"{one.node.label} ({', '.join(one.hidden) or 'no condition on a parameter'})"
            for one in (reads if product.parameters else ())
        )
        if wide:
            yield Problem(
                "I032",
                f"A change of these rows refreshes every stored key of {product.name}: "
                f"{'; '.join(wide)}.",
                "That is right, and costs more than it may need to. kck_graph shows how narrow "
                "each table is.",
                product,
            )
