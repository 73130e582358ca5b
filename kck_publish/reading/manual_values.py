"""Keys that no product computes: values that were set by hand, and their reads by a compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import DatabaseError, connections

from .. import stores
from ..exceptions import StoreUnreachable
from ..log.keys import product_of
from ..products import compute
from ..products.fingerprints import fingerprint_of
from ..products.product import Product
from ..stores import Address, Read, Stored
from .freshness import expired, in_transaction
from .read import note
from .read_with_own_writes import Ask
from .values import value_of


def fingerprint() -> str:
    """The fingerprint of values without a product: their format and the kind of store alone."""
    return fingerprint_of("hand")


def address_of(product: Product | None, key: str) -> Address:
    """The address of a key's value for this code, whether a product computes it or not."""
    return Address(key, product.fingerprint if product else fingerprint())


def values_at(addresses: Sequence[Address], ask: Ask) -> dict[str, Any]:
    """The values at these addresses; none while the store is away, which has said so."""
    if not addresses:
        return {}
    try:
        entries = ask(addresses, ()).entries
    except (StoreUnreachable, DatabaseError):
        if in_transaction(connections[stores.current().alias]):
            raise
        return {}
    there = {key: stored for key, stored in entries.items() if not expired(stored)}
    if (scope := compute.current()) is not None:
        for address in addresses:
            note_read(scope, address, there.get(address.key))
    return {key: value_of(None, key, stored) for key, stored in there.items()}


def note_read(scope: compute.Scope, address: Address, stored: Stored | None) -> None:
    """Remember for the compute that runs that it has read this address."""
    name = product_of(address.key)
    scope.note(name, Read(address))
    if stored is not None:
        note(scope, name, address, stored)
