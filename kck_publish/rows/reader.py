"""``Author.cached``: the rows of a model, by pk and by the lookups that it declares."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, overload
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.exceptions import ObjectDoesNotExist

from ..products import registry
from ..products.product import Product, UnparsedKeys
from ..reading import async_reads
from ..reading.read import answer_to, answers
from ..reading.values import value_of
from .lookup_access import M, RowAccess
from .managers import manager_of
from .watching import watch

if TYPE_CHECKING:
    from .model import CacheModel

V = TypeVar("V")
# What the values of fields are that have the same type on an instance: the keys of ``in_bulk``.
# Others, an instance for its foreign key for example, do not tell the type of the key.
Plain = int | str | bytes | float | Decimal | date | time | timedelta | UUID | tuple[object, ...]
K = TypeVar("K", bound=Plain)


class RowReader(RowAccess[M]):
    """``Author.cached``: rows by pk and by the lookups that the model declares.

    Args:
        model: the model that is read.
    """

    def get(self, **lookup: Any) -> M:
        """One row, as ``objects.get`` gives it.

        Raises:
            DoesNotExist, MultipleObjectsReturned: the model's own.
            UndeclaredLookup: not a lookup that the model declares.
            KeyParameterMismatch: a value that the field does not take.
        """
        near = self._near.get(names := tuple(lookup))
        if near is None or near.graph is not registry.made:
            near = self._lookup(names)
        product: Any = near.product  # a RowProduct
        body = near.find(lookup)
        if body is None:
            return self._from_store(product, near.key_of(lookup))
        row: M = product.row(body)
        return self._fresh(row) if self._is_proxy else row

    def _from_store(self, product: Any, key: str) -> M:
        """One row as the store has it, or as it has just been computed."""
        return self._row_of(product, key, answer_to(product, key))

    @overload
    def in_bulk(self, values: Iterable[CacheModel], field_name: str = "pk") -> dict[object, M]: ...

    @overload
    def in_bulk(self, values: Iterable[K], field_name: str = "pk") -> dict[K, M]: ...

    @overload
    def in_bulk(self, values: Iterable[object], field_name: str = "pk") -> dict[object, M]: ...

    def in_bulk(self, values: Iterable[Any], field_name: str = "pk") -> dict[Any, M]:
        """Rows by the values of one lookup, in their order, in one round trip; missing: absent."""
        asked, near = list(values), self._lookup((field_name,))
        product: Any = near.product
        bodies: Sequence[Any] = near.find_many(asked)
        if None in bodies:
            rows = self._present(product, self._keys_of(near, field_name, asked))
        else:
            rows = self._built(product, bodies)
        return self._by_value(field_name, rows)

    def _present(self, product: Product, asked: Iterable[str]) -> list[M]:
        """The rows of these keys that there are."""
        return self._rows_of(product, answers(product, UnparsedKeys(product, asked)))

    def filter(self, **lookup: Any) -> list[M]:
        """The rows of a declared list (``cached_lists``), in pk order."""
        product = self.product_of(tuple(lookup), lists=True)
        key = self._key_of(product, lookup)
        return self._list_of(product, key, answer_to(product, key))

    def all(self) -> list[M]:
        """All rows, in pk order: one look for their keys, which are kept, and one for the rows."""
        product = self.product_of(("pk",))
        kept = registry.get(f"{product.name}[]")
        key = kept.key_of({})
        asked = value_of(kept, key, answer_to(kept, key))
        return self._present(product, asked)

    def filter_many(self, name: str, values: Iterable[V]) -> dict[V, list[M]]:
        """The lists of a declared list by several values of its one field, in one round trip."""
        product = self.product_of((name,), lists=True)
        keys = {self._key_of(product, {name: value}): value for value in values}
        found = {
            keys[key]: value_of(product, key, answer)
            for key, answer in answers(product, UnparsedKeys(product, keys)).items()
        }
        rows = iter(
            self.given(product, [row for rows_of_value in found.values() for row in rows_of_value])
        )
        return {
            value: [next(rows) for _ in rows_of_value] for value, rows_of_value in found.items()
        }

    def get_or_create(
        self, defaults: Mapping[str, Any] | None = None, **lookup: Any
    ) -> tuple[M, bool]:
        """The row and False, or a new one and True."""
        try:
            return self.get(**lookup), False
        except ObjectDoesNotExist:
            row, created = manager_of(self.model).get_or_create(defaults=defaults, **lookup)
            return row, created  # type: ignore[return-value]

    async def aget(self, **lookup: Any) -> M:
        """``get`` for asynchronous code: reads of one turn of the loop ask together."""
        near = self._lookup(tuple(lookup))
        product: Any = near.product
        body = async_reads.body_at_hand(near, lookup)
        row: M
        if body is not None:
            row = product.row(body)
            return self._fresh(row) if self._is_proxy else row
        key = near.key_of(lookup)
        row = await async_reads.read(
            product, [key], lambda found: self._row_of(product, key, found[key])
        )
        return row

    @overload
    async def ain_bulk(
        self, values: Iterable[CacheModel], field_name: str = "pk"
    ) -> dict[object, M]: ...

    @overload
    async def ain_bulk(self, values: Iterable[K], field_name: str = "pk") -> dict[K, M]: ...

    @overload
    async def ain_bulk(
        self, values: Iterable[object], field_name: str = "pk"
    ) -> dict[object, M]: ...

    async def ain_bulk(self, values: Iterable[Any], field_name: str = "pk") -> dict[Any, M]:
        """``in_bulk`` for asynchronous code, as ``aget``."""
        near = self._lookup((field_name,))
        product, keys = near.product, self._keys_of(near, field_name, values)
        rows: list[M] = await async_reads.read(
            product, keys, lambda found: self._rows_of(product, found)
        )
        return self._by_value(field_name, rows)

    async def afilter(self, **lookup: Any) -> list[M]:
        """``filter`` for asynchronous code, as ``aget``."""
        product = self.product_of(tuple(lookup), lists=True)
        key = self._key_of(product, lookup)
        rows: list[M] = await async_reads.read(
            product, [key], lambda found: self._list_of(product, key, found[key])
        )
        return rows

    async def aall(self) -> list[M]:
        """``all`` for asynchronous code."""
        return await sync_to_async(self.all)()

    async def aget_or_create(
        self, defaults: Mapping[str, Any] | None = None, **lookup: Any
    ) -> tuple[M, bool]:
        """``get_or_create`` for asynchronous code."""
        return await sync_to_async(self.get_or_create)(defaults=defaults, **lookup)

    def watch(self, **lookup: Any) -> AsyncIterator[Any]:
        """The row of a lookup, or the rows of a declared list, and each later state as it comes.

        Raises:
            DoesNotExist, MultipleObjectsReturned: the model's own; also once the row is deleted.
            UndeclaredLookup: not a lookup that the model declares.
        """
        return watch(self, lookup)
