"""CachedTable: a small table that is kept whole. One stored value answers every read of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast, overload

from asgiref.sync import sync_to_async
from django.db.models import Model

from ..exceptions import InvalidPrimer, KeyParameterMismatch, UndeclaredLookup
from ..products import registry
from ..products.column_fits import check_text
from ..products.columns import value_field
from ..products.equality import check_exact
from ..products.product import Product
from ..public_names import public_in
from ..reading.read import answer_to
from ..reading.values import value_of
from .cached import Cached
from .fields import field_parameter, lookup_field
from .lookups import pk_of, target_of
from .managers import published
from .model import CacheModel
from .options import option
from .publish import publishes_itself
from .reader import K, RowReader, V
from .table_products import Table, TableProduct

M = TypeVar("M", bound=Model)


class TableReader(RowReader[M]):
    """``Country.cached``: rows by any of their columns, out of the one stored value."""

    def get(self, **lookup: Any) -> M:
        """The one row with these values.

        Raises:
            DoesNotExist, MultipleObjectsReturned: the model's own.
            UndeclaredLookup: not a column of the model.
            KeyParameterMismatch: a value that the field does not take.
        """
        model: Any = self.model
        found = self._rows(lookup)
        if not found:
            raise model.DoesNotExist(f"{self.product.name}: no such {model.__name__}.")
        if len(found) > 1:
            raise model.MultipleObjectsReturned(f"{self.product.name}: {len(found)} rows.")
        return found[0]

    def filter(self, **lookup: Any) -> list[M]:
        """The rows with these values, in pk order. Raises as ``get``."""
        return self._rows(lookup)

    def all(self) -> list[M]:
        """All rows, in pk order."""
        return self._rows({})

    @overload
    def in_bulk(self, values: Iterable[CacheModel], field_name: str = "pk") -> dict[object, M]: ...

    @overload
    def in_bulk(self, values: Iterable[K], field_name: str = "pk") -> dict[K, M]: ...

    @overload
    def in_bulk(self, values: Iterable[object], field_name: str = "pk") -> dict[object, M]: ...

    def in_bulk(self, values: Iterable[Any], field_name: str = "pk") -> dict[Any, M]:
        """Rows by the values of one column; missing ones are absent.

        Raises:
            MultipleObjectsReturned: several rows have one of the values.
        """
        found: dict[Any, M] = {}
        name = self._attribute(field_name)
        for rows in self.filter_many(field_name, values).values():
            if len(rows) > 1:
                model: Any = self.model
                raise model.MultipleObjectsReturned(
                    f"in_bulk: {len(rows)} rows have one value of {field_name}; use filter()."
                )
            found |= {getattr(row, name): row for row in rows}
        return found

    async def aget(self, **lookup: Any) -> M:
        """``get`` for asynchronous code."""
        return await sync_to_async(self.get)(**lookup)

    async def afilter(self, **lookup: Any) -> list[M]:
        """``filter`` for asynchronous code."""
        return await sync_to_async(self.filter)(**lookup)

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
        """``in_bulk`` for asynchronous code."""
        return await sync_to_async(self.in_bulk)(values, field_name)

    def filter_many(self, name: str, values: Iterable[V]) -> dict[V, list[M]]:
        """The rows by several values of one column."""
        asked = list(values)
        table = self._table()
        found = [table.find(self._conditions({name: value})) for value in asked]
        rows = iter(
            self.given(self.product, [row for rows_of_value in found for row in rows_of_value])
        )
        return {
            value: [next(rows) for _ in rows_of_value]
            for value, rows_of_value in zip(asked, found, strict=True)
        }

    @property
    def product(self) -> TableProduct:
        """The product that answers everything."""
        registry.graph()
        label = published(self.model)._meta.label_lower
        return cast("TableProduct", registry.get(f"{label}[]"))

    def product_of(self, names: Sequence[str], lists: bool = False) -> Product:
        """The one product, whichever columns are asked for."""
        for name in names:
            self._fields(name)
        return self.product

    def _rows(self, lookup: Mapping[str, Any]) -> list[M]:
        conditions = self._conditions(lookup)
        return self.given(self.product, self._table().find(conditions))

    def _table(self) -> Table:
        product = self.product
        key = product.key_of({})
        return cast("Table", value_of(product, key, answer_to(product, key)))

    def _conditions(self, lookup: Mapping[str, Any]) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = []
        for name, value in lookup.items():
            fields = self._fields(name)
            values = [value] if len(fields) == 1 else value
            if not isinstance(values, Sequence) or len(values) != len(fields):
                names = ", ".join(field.attname for field in fields)
                raise KeyParameterMismatch(f"pk takes ({names}), not {value!r}", self.product.name)
            found += [
                (field.attname, self._clean(field, one))
                for field, one in zip(fields, values, strict=True)
            ]
        return found

    def _clean(self, field: Any, value: Any) -> Any:
        """A value as the model's instances have it; None stands for NULL, as for the ORM."""
        if isinstance(value, Model) and field.remote_field is not None:
            value = target_of(field, value, self.product)
        elif isinstance(value, Model) and field.primary_key:
            value = pk_of(self.model, value, self.product)
        return None if value is None else field_parameter(field).clean(value)

    def _fields(self, name: str) -> Sequence[Any]:
        if name == "pk":
            return self.model._meta.pk_fields
        try:
            field = lookup_field(self.model, name)
        except KeyError:
            known = ["pk", *(field.attname for field in self.model._meta.concrete_fields)]
            raise UndeclaredLookup(self.model, [name], known) from None
        check_exact(field, f"{self.model._meta.label}.cached")
        if value_field(field).get_internal_type() == "JSONField":
            # 1, 1.0 and True are one in Python.
            check_text(f"{self.model._meta.label}.cached", field)
        return [field]


@public_in("kck_publish")
class CachedTable(CacheModel):
    """Abstract, for small tables: all rows are kept as one value, and any column is a lookup.

    A write has the whole table read again by the listener, so let it be a table of some thousand
    rows at most.
    """

    cached: ClassVar[Cached] = Cached(TableReader)

    class Meta:
        abstract = True

    @classmethod
    def _row_products(cls) -> list[Product]:
        where = f"{cls._meta.label} is a CachedTable"
        if option(cls, "cached_by") or option(cls, "cached_lists"):
            raise InvalidPrimer(
                f"{where}: any column is a lookup of it; leave out cached_by and cached_lists."
            )
        if publishes_itself(cls):
            raise InvalidPrimer(f"{where}, which publishes itself whole: leave out publish().")
        return [TableProduct(cls)]
