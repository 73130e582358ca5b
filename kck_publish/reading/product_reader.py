"""``AuthorPage.cached``: the values of one product by its parameters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, overload

from django.core.exceptions import ObjectDoesNotExist

from ..exceptions import KeyParameterMismatch
from ..products import registry
from ..products.product import Product, UnparsedKeys
from . import async_reads, watching
from .near import NearLookup, lookup_of
from .read import Answers, answer_to, answers
from .values import bytes_of, value_of

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
D = TypeVar("D")


class ProductReader(Generic[P, R_co]):
    """``AuthorPage.cached``: the product's values by its parameters.

    For a type checker, its methods take what ``compute`` takes; by name only, which it cannot say.

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

    def _unnamed(self) -> TypeError:
        names = ", ".join(f"{parameter.name}=..." for parameter in self.product.parameters)
        return TypeError(f"{self._name} takes its parameters by name: get({names}).")

    def _lookup(self) -> NearLookup:
        self._known = near = lookup_of(self.product)
        return near

    def _given(self, unnamed: Sequence[object]) -> NearLookup:
        if unnamed:
            raise self._unnamed()
        near = self._known
        return self._lookup() if near is None or near.graph is not registry.made else near

    def get(self, *args: P.args, **parameters: P.kwargs) -> R_co:
        """The value; computed on a miss where the primer allows it.

        Raises:
            TypeError: a parameter without its name.
            KeyParameterMismatch: the parameters do not fit.
            NotPrimed: not stored, and may not be primed.
            ObjectDoesNotExist: the primer says that there is none.
        """
        if args:
            raise self._unnamed()
        near = self._known
        if near is None or near.graph is not registry.made:
            near = self._lookup()
        product, body = near.product, near.find(parameters)
        if body is not None:
            decoded: R_co = product.decode(body, None)
            return decoded
        key = product.key_of(parameters)
        value: R_co = value_of(product, key, answer_to(product, key))
        return value

    def get_bytes(self, *args: P.args, **parameters: P.kwargs) -> bytes:
        """The stored JSON itself. Raises as ``get``."""
        if args:
            raise self._unnamed()
        near = self._known
        if near is None or near.graph is not registry.made:
            near = self._lookup()
        body = near.find(parameters)
        if body is not None:
            return body
        key = near.product.key_of(parameters)
        return bytes_of(near.product, key, answer_to(near.product, key))

    @overload
    def get_many(self, parameters: Iterable[Mapping[str, Any]]) -> list[R_co | None]: ...

    @overload
    def get_many(self, parameters: Iterable[Mapping[str, Any]], default: D) -> list[R_co | D]: ...

    def get_many(self, parameters: Iterable[Mapping[str, Any]], default: Any = None) -> list[Any]:
        """The values of several keys, as asked; ``default`` where there is none."""
        product = self.product
        keys = _keys(product, parameters)
        found = answers(product, UnparsedKeys(product, keys), strict=False)
        return _values(product, keys, found, default)

    async def aget(self, *args: P.args, **parameters: P.kwargs) -> R_co:
        """``get`` for asynchronous code: reads of one turn of the loop ask together."""
        near = self._given(args)
        product, body = near.product, async_reads.body_at_hand(near, parameters)
        value: R_co
        if body is not None:
            value = product.decode(body, None)
            return value
        key = product.key_of(parameters)
        value = await async_reads.read(
            product, [key], lambda found: value_of(product, key, found[key])
        )
        return value

    async def aget_bytes(self, *args: P.args, **parameters: P.kwargs) -> bytes:
        """``get_bytes`` for asynchronous code, as ``aget``."""
        near = self._given(args)
        at_hand = async_reads.body_at_hand(near, parameters)
        if at_hand is not None:
            return at_hand
        product, key = near.product, near.product.key_of(parameters)
        body: bytes = await async_reads.read(
            product, [key], lambda found: bytes_of(product, key, found[key])
        )
        return body

    @overload
    async def aget_many(self, parameters: Iterable[Mapping[str, Any]]) -> list[R_co | None]: ...

    @overload
    async def aget_many(
        self, parameters: Iterable[Mapping[str, Any]], default: D
    ) -> list[R_co | D]: ...

    async def aget_many(
        self, parameters: Iterable[Mapping[str, Any]], default: Any = None
    ) -> list[Any]:
        """``get_many`` for asynchronous code, as ``aget``."""
        product = self.product
        keys = _keys(product, parameters)
        values: list[Any] = await async_reads.read(
            product, keys, lambda found: _values(product, keys, found, default), strict=False
        )
        return values

    async def watch(self, *args: P.args, **parameters: P.kwargs) -> AsyncIterator[R_co]:
        """The value, and each later one as it is stored; a slow reader skips to the newest.

        Raises:
            KeyParameterMismatch: the parameters do not fit.
            ObjectDoesNotExist: there is none, or not any more.
        """
        if args:
            raise self._unnamed()
        product = self.product
        async for body, shape in watching.bodies(product, product.key_of(parameters)):
            value: R_co = product.decode(body, shape)
            yield value


def _keys(product: Product, parameters: Iterable[Mapping[str, Any]]) -> list[str]:
    try:
        return [product.key_of(each) for each in parameters]
    except (AttributeError, TypeError) as error:
        raise KeyParameterMismatch(
            f"a list of dicts of parameters is taken, not {parameters!r}.", product.name
        ) from error


def _values(product: Product, keys: Iterable[str], found: Answers, default: Any) -> list[Any]:
    values = []
    for key in keys:
        try:
            values.append(value_of(product, key, found[key]) if key in found else default)
        except ObjectDoesNotExist:
            values.append(default)
    return values
