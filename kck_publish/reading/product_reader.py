"""``AuthorPage.cached``: the values of one product by its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ObjectDoesNotExist

from ..products import registry
from ..products.product import Product, UnparsedKeys
from .near import NearLookup, lookup_of
from .read import answer_to, answers
from .values import bytes_of, value_of


class ProductReader:
    """``AuthorPage.cached``: the product's values by its parameters.

    Args:
        product: the product's name.
    """

    def __init__(self, product: str) -> None:
        self._name = product
        self._known: NearLookup | None = None

    @property
    def product(self) -> Product:
        """The product that is read."""
        return registry.get(self._name)

    def _lookup(self) -> NearLookup:
        self._known = near = lookup_of(self.product)
        return near

    def get(self, **parameters: Any) -> Any:
        """The value; computed on a miss where the primer allows it.

        Raises:
            KeyParameterMismatch: the parameters do not fit.
            NotPrimed: not stored, and may not be primed.
            ObjectDoesNotExist: the primer says that there is none.
        """
        near = self._known
        if near is None or near.graph is not registry.made:
            near = self._lookup()
        product, body = near.product, near.find(parameters)
        if body is not None:
            return product.decode(body, None)
        key = product.key_of(parameters)
        return value_of(product, key, answer_to(product, key))

    def get_bytes(self, **parameters: Any) -> bytes:
        """The stored JSON itself. Raises as ``get``."""
        near = self._known
        if near is None or near.graph is not registry.made:
            near = self._lookup()
        body = near.find(parameters)
        if body is not None:
            return body
        key = near.product.key_of(parameters)
        return bytes_of(near.product, key, answer_to(near.product, key))

    def get_many(self, parameters: Iterable[Mapping[str, Any]], default: Any = None) -> list[Any]:
        """The values of several keys, as asked; ``default`` where there is none."""
        product = self.product
        keys = [product.key_of(each) for each in parameters]
        found = answers(product, UnparsedKeys(product, keys), strict=False)
        values = []
        for key in keys:
            try:
                values.append(value_of(product, key, found[key]) if key in found else default)
            except ObjectDoesNotExist:
                values.append(default)
        return values

    async def aget(self, **parameters: Any) -> Any:
        """``get`` for asynchronous code."""
        return await sync_to_async(self.get)(**parameters)

    async def aget_bytes(self, **parameters: Any) -> bytes:
        """``get_bytes`` for asynchronous code."""
        return await sync_to_async(self.get_bytes)(**parameters)

    async def aget_many(
        self, parameters: Iterable[Mapping[str, Any]], default: Any = None
    ) -> list[Any]:
        """``get_many`` for asynchronous code."""
        return await sync_to_async(self.get_many)(parameters, default=default)
