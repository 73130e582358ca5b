"""The near store as the tiers ask it: whole entries, each judged, and asked for where not held.

What expires, is behind or wants a refresh is not served from here: the store judges it.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import clock
from ..products import registry
from ..products.product import Product
from ..stores import Stored
from ..stores.near.file_path import near_store
from .freshness import expired
from .near import lookup_of


def held(product: Product, keys: Iterable[str]) -> dict[str, Stored]:
    """The entries of these keys that may be served."""
    near = lookup_of(product).reader(looked=True)
    if near is None:
        return {}
    fingerprint, entries = product.fingerprint, {}
    for key in keys:
        entry = near.get(key, fingerprint)
        if entry is not None and not _is_doubtful(product, entry):
            entries[key] = entry
    return entries


def ask(product: Product, keys: Iterable[str]) -> None:
    """Have what the store has, and the near store has not, held here too."""
    near = near_store()
    if near is not None:
        for key in keys:
            near.ask(key, product.fingerprint)


def _is_doubtful(product: Product, entry: Stored) -> bool:
    return (
        entry.behind
        # It stands on more than was thought, under which the session may have written.
        or (entry.over is not None and registry.graph().learn(product.name, entry.over))
        or expired(entry)
        or (entry.soft_expire is not None and entry.soft_expire <= clock.now())
    )
