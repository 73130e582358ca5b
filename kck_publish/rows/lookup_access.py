"""From the lookups of a model to keys, and from answers to rows: what all reads of rows share.

``reader`` reads by it, for synchronous and for asynchronous code.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db.models import Model

from ..products import registry
from ..products.product import Product
from ..reading.near import NearLookup
from ..reading.read import Answers
from ..reading.values import Answer, plain_bodies, plain_body, value_of
from . import read_together
from .fields import lookup_field
from .lookups import parameters_of, product_of

M = TypeVar("M", bound=Model)


class RowAccess(Generic[M]):
    """The rows of a model by lookups.

    Args:
        model: the model that is read.
    """

    def __init__(self, model: type[M]) -> None:
        self.model = model
        self._is_proxy = model._meta.proxy
        self._near: dict[tuple[str, ...], NearLookup] = {}

    def _row_of(self, product: Any, key: str, answer: Answer) -> M:
        """The row of an answer. Raises DoesNotExist, MultipleObjectsReturned: the model's own."""
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

    def _keys_of(self, near: NearLookup, field_name: str, values: Iterable[Any]) -> list[str]:
        """The keys of values of one lookup."""
        plain = near.product.plain_key
        return [plain(value) or near.key_of({field_name: value}) for value in values]

    def _by_value(self, field_name: str, rows: Iterable[M]) -> dict[Any, M]:
        """Rows by the values of one lookup."""
        name = self._attribute(field_name)
        return {getattr(row, name): row for row in rows}

    def _lookup(self, names: tuple[str, ...]) -> NearLookup:
        """The lookup by these fields."""
        known = self._near.get(names)
        if known is not None and known.graph is registry.made:
            return known
        product = self.product_of(names)
        near = self._near[names] = NearLookup(product, names[0], partial(self._key_of, product))
        return near

    def _rows_of(self, product: Product, found: Answers) -> list[M]:
        """The rows of these answers that there are."""
        bodies = plain_bodies(found.values())
        if bodies is not None:
            return self._built(product, bodies)
        rows = []
        for key, answer in found.items():
            with suppress(ObjectDoesNotExist, MultipleObjectsReturned):
                rows.append(value_of(product, key, answer))
        return self.given(product, rows)

    def _built(self, product: Any, bodies: Iterable[bytes]) -> list[M]:
        """The rows of stored bodies that are nobody else's."""
        rows: list[M] = product.given(bodies)
        return list(map(self._fresh, rows)) if self._is_proxy else rows

    def _fresh(self, row: M) -> M:
        """A proxy's row that nobody else has: not copied, as its peers know it."""
        row.__class__ = self.model
        return row

    def _attribute(self, name: str) -> str:
        """The attribute of an instance that a lookup names; ``pk`` itself is slow to ask for."""
        pks = self.model._meta.pk_fields
        if name == "pk":
            return pks[0].attname if len(pks) == 1 else name
        return lookup_field(self.model, name).attname

    def _key_of(self, product: Product, lookup: Mapping[str, Any]) -> str:
        """The key of a lookup's values."""
        if len(lookup) == 1:
            (value,) = lookup.values()
            if (key := product.plain_key(value)) is not None:
                return key
        return product.key_of(parameters_of(self.model, product, lookup))

    def _list_of(self, product: Product, key: str, answer: Answer) -> list[M]:
        """The rows of a list's answer."""
        return self.given(product, value_of(product, key, answer))

    def product_of(self, names: Sequence[str], lists: bool = False) -> Product:
        """The product of a lookup, its fields named in any order and spelling."""
        known = registry.graph().lookups
        place = (self.model, tuple(names), lists)
        found = known.get(place)
        if found is None:
            found = known[place] = product_of(self.model, names, lists)
        return found

    def given(self, product: Product, rows: Iterable[Any]) -> list[M]:
        """The rows of one read: instances of this very model, which fetch relations together."""
        found = [self._as_row(row) for row in rows]
        read_together.mark(found, product.embedded)
        return found

    def _as_row(self, row: Any) -> M:
        """A row of the table as an instance of this very model, a proxy perhaps."""
        if self._is_proxy and type(row) is not self.model:
            row = copy.copy(row)  # the request may have given the row itself to somebody else
            row.__class__ = self.model
        return row  # type: ignore[no-any-return]
