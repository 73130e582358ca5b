"""``Author.cached``: the rows of a model, by pk and by the lookups that it declares."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db.models import Model

from ..products import registry
from ..products.product import Product, UnparsedKeys
from ..reading.near import NearLookup
from ..reading.read import answer_to, answers
from ..reading.values import plain_bodies, plain_body, value_of
from . import peers
from .fields import lookup_field
from .lookups import parameters_of, product_of
from .managers import manager_of

M = TypeVar("M", bound=Model)


class RowReader(Generic[M]):
    """``Author.cached``: rows by pk and by the lookups that the model declares."""

    def __init__(self, model: type[M] | None = None) -> None:
        self._model = model
        self._is_proxy = model is not None and model._meta.proxy
        self._near: dict[tuple[str, ...], NearLookup] = {}
        self._bound: dict[type[Model], RowReader[Any]] = {}

    def __get__(self, instance: M | None, owner: type[M]) -> RowReader[M]:
        if instance is not None:
            raise AttributeError(f"cached is read on {owner.__name__}, not on its instances.")
        found = self._bound.get(owner)
        return self._bound.setdefault(owner, type(self)(owner)) if found is None else found

    @property
    def model(self) -> type[M]:
        """The model that is read."""
        assert self._model is not None
        return self._model

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
            return self._asked(product, near.key_of(lookup))
        row: M = product.row(body)
        return self._fresh(row) if self._is_proxy else row

    def _asked(self, product: Any, key: str) -> M:
        """One row as the store has it, or as it has just been computed."""
        answer = answer_to(product, key)
        body = plain_body(answer)
        if body is not None:
            row: M = product.row(body)
            return self._fresh(row) if self._is_proxy else row
        try:
            (row,) = self.given(product, [value_of(product, key, answer)])
            return row
        except ObjectDoesNotExist as error:
            model: Any = self.model  # which, as a proxy, has errors of its own
            raise model.DoesNotExist(*error.args) from None
        except MultipleObjectsReturned as error:
            model = self.model
            raise model.MultipleObjectsReturned(*error.args) from None

    def in_bulk(self, values: Iterable[Any], field_name: str = "pk") -> dict[Any, M]:
        """Rows by the values of one lookup, in their order, in one round trip; missing: absent."""
        asked, near = list(values), self._lookup((field_name,))
        product: Any = near.product
        bodies: Sequence[Any] = near.find_many(asked)
        if None in bodies:
            plain = product.plain_key
            keys = [plain(value) or near.key_of({field_name: value}) for value in asked]
            rows = self._present(product, keys)
        else:
            rows = self._built(product, bodies)
        name = self._attribute(field_name)
        return {getattr(row, name): row for row in rows}

    def _lookup(self, names: tuple[str, ...]) -> NearLookup:
        known = self._near.get(names)
        if known is not None and known.graph is registry.made:
            return known
        product = self.product_of(names)
        near = self._near[names] = NearLookup(product, names[0], partial(self._key, product))
        return near

    def _present(self, product: Product, asked: Iterable[str]) -> list[M]:
        """The rows of these keys that there are."""
        found = answers(product, UnparsedKeys(product, asked))
        bodies = plain_bodies(found.values())
        if bodies is not None:
            return self._built(product, bodies)
        rows = []
        for key, answer in found.items():
            with suppress(ObjectDoesNotExist, MultipleObjectsReturned):
                rows.append(value_of(product, key, answer))
        return self.given(product, rows)

    def _built(self, product: Any, bodies: Iterable[bytes]) -> list[M]:
        rows: list[M] = product.given(bodies)
        return list(map(self._fresh, rows)) if self._is_proxy else rows

    def _fresh(self, row: M) -> M:
        """A proxy's row that nobody else has: not copied, as its peers know it."""
        row.__class__ = self.model
        return row

    def _attribute(self, name: str) -> str:
        """Where an instance has what a lookup names; ``pk`` itself is slow to ask for."""
        pks = self.model._meta.pk_fields
        if name == "pk":
            return pks[0].attname if len(pks) == 1 else name
        return lookup_field(self.model, name).attname

    def _key(self, product: Product, lookup: Mapping[str, Any]) -> str:
        if len(lookup) == 1:
            (value,) = lookup.values()
            if (key := product.plain_key(value)) is not None:
                return key
        return product.key_of(parameters_of(self.model, product, lookup))

    def filter(self, **lookup: Any) -> list[M]:
        """The rows of a declared list (``cached_lists``), in pk order."""
        product = self.product_of(tuple(lookup), lists=True)
        key = self._key(product, lookup)
        return self.given(product, value_of(product, key, answer_to(product, key)))

    def all(self) -> list[M]:
        """All rows, in pk order: one look for their keys, which are kept, and one for the rows."""
        product = self.product_of(("pk",))
        kept = registry.get(f"{product.name}[]")
        key = kept.key_of({})
        asked = value_of(kept, key, answer_to(kept, key))
        return self._present(product, asked)

    def filter_many(self, name: str, values: Iterable[Any]) -> dict[Any, list[M]]:
        """The lists of a declared list by several values of its one field, in one round trip."""
        product = self.product_of((name,), lists=True)
        keys = {self._key(product, {name: value}): value for value in values}
        found = {
            keys[key]: value_of(product, key, answer)
            for key, answer in answers(product, UnparsedKeys(product, keys)).items()
        }
        rows = iter(self.given(product, [row for some in found.values() for row in some]))
        return {value: [next(rows) for _ in some] for value, some in found.items()}

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
        """``get`` for asynchronous code."""
        return await sync_to_async(self.get)(**lookup)

    async def ain_bulk(self, values: Iterable[Any], field_name: str = "pk") -> dict[Any, M]:
        """``in_bulk`` for asynchronous code."""
        return await sync_to_async(self.in_bulk)(values, field_name)

    async def afilter(self, **lookup: Any) -> list[M]:
        """``filter`` for asynchronous code."""
        return await sync_to_async(self.filter)(**lookup)

    async def aall(self) -> list[M]:
        """``all`` for asynchronous code."""
        return await sync_to_async(self.all)()

    async def aget_or_create(
        self, defaults: Mapping[str, Any] | None = None, **lookup: Any
    ) -> tuple[M, bool]:
        """``get_or_create`` for asynchronous code."""
        return await sync_to_async(self.get_or_create)(defaults=defaults, **lookup)

    def product_of(self, names: Sequence[str], lists: bool = False) -> Product:
        """The product of a lookup, its fields named in any order and spelling."""
        known = registry.graph().lookups
        place = (self._model, tuple(names), lists)
        found = known.get(place)
        if found is None:
            found = known[place] = product_of(self.model, names, lists)
        return found

    def given(self, product: Product, rows: Iterable[Any]) -> list[M]:
        """What one read gives: instances of this very model, which fetch relations together."""
        found = [self._as_row(row) for row in rows]
        peers.mark(found, product.embedded)
        return found

    def _as_row(self, row: Any) -> M:
        """A row of the table as an instance of this very model, a proxy perhaps."""
        if self._is_proxy and type(row) is not self.model:
            row = copy.copy(row)  # the request may have given the row itself to somebody else
            row.__class__ = self.model
        return row  # type: ignore[no-any-return]
