"""The values of several keys, of however many products, in one round trip for what is stored."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist

from .. import stores
from ..capture import own_session_writes
from ..products import registry
from ..products.product import Parameters
from ..stores import Address
from . import manual_values
from .read import answers, reading_ahead
from .read_with_own_writes import Ask
from .values import value_of

logger = logging.getLogger("kck_publish")


def several(
    grouped: Mapping[str, Mapping[str, Parameters]],
    by_hand: Sequence[Address],
    prime: bool | None,
) -> dict[str, Any]:
    """The values by key; a key without a value, or whose compute fails, is left out.

    Args:
        grouped: by product, the keys with their parameters.
        by_hand: the addresses of keys that belong to no product.
        prime: whether to compute values that are not stored; the primer's own setting when None.
    """
    ask = ahead_of(grouped, by_hand)
    values = manual_values.values_at(by_hand, ask)
    for name, wanted in grouped.items():
        product = registry.get(name)
        given = answers(product, wanted, prime, strict=False, ask=ask)
        for key, answer in given.items():
            try:
                values[key] = value_of(product, key, answer)
            except (ObjectDoesNotExist, MultipleObjectsReturned):
                continue
            except Exception as error:  # noqa: BLE001 - a compute that fails for one key
                logger.warning("%s could not be read: %s", key, type(error).__name__)
    return values


def ahead_of(grouped: Mapping[str, Iterable[str]], by_hand: Sequence[Address]) -> Ask:
    """Reads for keys of several products, by product, in one round trip."""
    graph = registry.graph()
    addresses = [
        Address(key, graph.products[name].fingerprint)
        for name, wanted in grouped.items()
        for key in wanted
    ]
    wrote = {setting for name in grouped for setting in graph.wrote(name)}
    if not own_session_writes.session_tells(stores.current().alias):
        wrote = set()
    return reading_ahead([*addresses, *by_hand], sorted(wrote))
