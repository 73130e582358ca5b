"""``Author.cached.watch``: a row, or a list of rows, as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist

from ..exceptions import UndeclaredLookup
from ..products.product import Product
from ..reading.watching import bodies
from .lookups import parameters_of

if TYPE_CHECKING:
    from .reader import RowReader


async def watch(reader: RowReader[Any], lookup: Mapping[str, Any]) -> AsyncIterator[Any]:
    """What a reader's lookup gives, now and later. Raises as its ``watch`` says."""
    product, is_list = _product(reader, tuple(lookup))
    model: Any = reader.model
    key = product.key_of(parameters_of(model, product, lookup))
    try:
        async for body, shape in bodies(product, key):
            value = product.decode(body, shape)
            rows = reader.given(product, value if is_list else [value])
            yield rows if is_list else rows[0]
    except ObjectDoesNotExist as error:
        raise model.DoesNotExist(*error.args) from None
    except MultipleObjectsReturned as error:
        raise model.MultipleObjectsReturned(*error.args) from None


def _product(reader: RowReader[Any], names: Sequence[str]) -> tuple[Product, bool]:
    """The product of a lookup, and whether that is a list's."""
    try:
        return reader.product_of(names), False
    except UndeclaredLookup as undeclared:
        try:
            return reader.product_of(names, lists=True), True
        except UndeclaredLookup:
            raise undeclared from None
