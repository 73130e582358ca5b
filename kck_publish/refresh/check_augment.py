"""``check_augment``: a share of the augmented values is compared with a compute.

Called by ``refresher`` after each augment, in the batch's snapshot, where both must be the same.
"""

from __future__ import annotations

import logging
import random
from typing import Any

from ..products.compute import Batch, compute
from ..products.product import Computed, Parameters, Product

logger = logging.getLogger(__name__)


def checked(
    product: Product, key: str, parameters: Parameters, augmented: Computed, batch: Batch
) -> Computed:
    """The augmented value; or, when it is among those checked and wrong, what a compute gave.

    A compute that fails proves nothing: the augmented value holds.
    """
    if not product.check_augment or random.random() >= product.check_augment:
        return augmented
    (computed,) = compute(product, [parameters], batch)
    if computed.error is None and computed.absent is None:
        try:
            right = computed.encoded(product)
        except Exception as error:  # noqa: BLE001 - Unserializable, or the encoder of a user's product
            computed = Computed(error=error)
        else:
            amended = augmented.encoded(product)
            if amended == right or alike(
                product.plain_value(*amended), product.plain_value(*right)
            ):
                return augmented
    if computed.error is not None:
        logger.warning("%s could not be checked: %s", key, type(computed.error).__name__)
        return augmented
    logger.error(
        "The augment of %s gave another value than its compute: the augment is wrong. "
        "The computed value is stored.",
        key,
    )
    return computed


def alike(one: Any, other: Any) -> bool:
    """Equality that tells 1 from True and from 1.0, at any depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)
