"""``Author.cached``: the rows of a model, by pk and by the lookups that it declares."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db.models import Model

from ..exceptions import KeyParameterMismatch, UndeclaredLookup
from ..products import registry
from ..products.product import Product, Wanted
from ..reading import near as reading_near
from ..reading.read import answer_to, answers, plain_bodies, plain_body, value_of
from . import peers
from .products import lookup_field, manager_of

if TYPE_CHECKING:
    pass

M = TypeVar("M", bound=Model)


class RowReader(Generic[M]):
    """``Author.cached``: rows by pk and by the lookups that the model declares."""

    def __init__(self, model: type[M] | None = None) -> None:
        self._model = model
        self._is_proxy = model is not None and model._meta.proxy
        self._ways: dict[str, reading_near.Way] = {}
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
        key = None
        product: Any  # a RowProduct
        if len(lookup) == 1:
            ((name, value),) = lookup.items()
            way = self._ways.get(name)
            if way is None or way.graph is not registry.made:
                way = self._way(name)
            product = way.product
            if type(value) is way.kind:
                near = reading_near.body(way, value)
            else:
                key = self._key(product, name, value)
                near = reading_near.body_of(way, key)
        else:
            product = self.product_of(tuple(lookup))
            key = product.key_of(self._parameters(product, lookup))
            near = reading_near.body_of(reading_near.way_of(product), key)
        if near is None:
            return self._asked(product, key or self._key(product, name, value))
        row = product.row(near)
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
        asked, way = list(values), self._way(field_name)
        product: Any = way.product
        name = self._attribute(field_name)
        near: Sequence[Any] = reading_near.bodies(way, asked)
        if None in near:
            rows = self._present(product, [self._key(product, field_name, one) for one in asked])
        else:
            rows = self._built(product, near)
        return {getattr(row, name): row for row in rows}

    def _way(self, name: str) -> reading_near.Way:
        found = self._ways[name] = reading_near.way_of(self.product_of((name,)))
        return found

    def _present(self, product: Product, asked: Iterable[str]) -> list[M]:
        """The rows of these keys that there are."""
        found = answers(product, Wanted(product, asked))
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

    def _key(self, product: Product, name: str, value: Any) -> str:
        key = product.plain_key(value)
        return product.key_of(self._parameters(product, {name: value})) if key is None else key

    def filter(self, **lookup: Any) -> list[M]:
        """The rows of a declared list (``cached_lists``), in pk order."""
        product = self.product_of(tuple(lookup), lists=True)
        key = product.key_of(self._parameters(product, lookup))
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
        keys = {product.key_of(self._parameters(product, {name: one})): one for one in values}
        found = {
            keys[key]: value_of(product, key, answer)
            for key, answer in answers(product, Wanted(product, keys)).items()
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
            found = known[place] = self._product_of(names, lists)
        return found

    def _product_of(self, names: Sequence[str], lists: bool) -> Product:
        concrete = self.model._meta.concrete_model or self.model
        pk = tuple(field.attname for field in concrete._meta.pk_fields)
        try:
            found = {lookup_field(concrete, name).attname for name in names if name != "pk"}
        except KeyError:
            raise self._undeclared(names, lists) from None
        attnames = tuple(sorted(found | (set(pk) if "pk" in names else set())))
        label = concrete._meta.label_lower
        if lists:
            name = f"{label}[{','.join(attnames)}]"
        else:
            name = label if set(attnames) == set(pk) else f"{label}:{','.join(attnames)}"
        product = registry.graph().products.get(name)
        if product is None or not names:
            raise self._undeclared(names, lists)
        return product

    def _undeclared(self, names: Sequence[str], lists: bool) -> UndeclaredLookup:
        label = f"{(self.model._meta.concrete_model or self.model)._meta.label_lower}"
        opening = "[" if lists else ":"
        declared = [
            name[len(label) + 1 :].rstrip("]").split(",")
            for name in registry.graph().products
            if name.startswith(label + opening) and name != f"{label}[]"
        ]
        return UndeclaredLookup(self.model, names, [*([] if lists else [["pk"]]), *declared])

    def _parameters(self, product: Product, lookup: Mapping[str, Any]) -> dict[str, Any]:
        names = [one.name for one in product.parameters]
        parameters: dict[str, Any] = {}
        for name, value in lookup.items():
            if name == "pk" and len(names) > 1:  # a composite primary key
                if not isinstance(value, Sequence) or len(value) != len(names):
                    raise KeyParameterMismatch(
                        f"pk takes ({', '.join(names)}), not {value!r}", product.name
                    )
                parameters.update(zip(names, value, strict=True))
            elif names == ["pk"]:
                parameters["pk"] = self._pk_of(value, product)
            else:
                field: Any = lookup_field(self.model, name)
                if isinstance(value, Model) and field.remote_field is not None:
                    value = self._target_of(field, value, product)
                parameters[field.attname] = value
        return parameters

    def _pk_of(self, value: Any, product: Product) -> Any:
        if not isinstance(value, Model):
            return value
        if not isinstance(value, self.model._meta.concrete_model or self.model):
            raise KeyParameterMismatch(
                f"pk takes a {self.model.__name__} or its key, not {value!r}", product.name
            )
        return value.pk

    def _target_of(self, field: Any, row: Model, product: Product) -> Any:
        """What a foreign key to this row holds."""
        if not isinstance(row, field.related_model):
            raise KeyParameterMismatch(
                f"{field.name} takes a {field.related_model.__name__}, not {row!r}", product.name
            )
        return getattr(row, field.target_field.attname)

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
