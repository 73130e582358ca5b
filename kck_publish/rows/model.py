"""``CacheModel``: a model whose rows are published, and the products that it declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from django.apps import apps
from django.db import connections, models
from django.db.models.signals import class_prepared

from ..conf import settings
from ..exceptions import InvalidPrimer
from ..log import refreshes
from ..products import registry
from ..products.product import Product
from ..public_names import public_in
from . import read_together, relations
from .cached import Cached
from .check_options import check_options
from .managers import look_at_proxy
from .methods import MethodProduct, cached_methods, denormalized
from .options import is_field, option
from .products import ListProduct, RowProduct
from .publish import collector, declared_lookups, publishes_itself
from .reader import RowReader
from .table_products import KeysProduct, TableProduct


@public_in("kck_publish")
class CacheModel(models.Model):
    """Abstract: adds ``.cached`` beside ``.objects``, and captures the table's changes.

    Attributes:
        cached_by: lookups published beside the pk, each a field's name or a tuple of names.
        cached_lists: lookups by which lists of rows are kept, in pk order.
        cached_related: forward relations, as for select_related, whose rows are stored with it.
        captured: with an own ``publish``: the columns it needs; all of them when None.
        eager: publish written rows whether or not anybody has read them.
    """

    cached_by: ClassVar[Sequence[str | Sequence[str]]] = ()
    cached_lists: ClassVar[Sequence[str | Sequence[str]]] = ()
    cached_related: ClassVar[Sequence[str]] = ()
    captured: ClassVar[Sequence[str] | None] = None
    eager: ClassVar[bool] = True
    cached: ClassVar[Cached] = Cached(RowReader)

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        """Save, with the denormalized fields brought up to date."""
        fields, adding = denormalized(type(self)), self._state.adding
        if fields and not adding:
            changed = self._denormalize(fields)
            if options.get("update_fields") is not None:
                options["update_fields"] = {*options["update_fields"], *changed}
        super().save(*args, **options)
        # What a row counts can only point to it once it is there.
        if fields and adding and (changed := self._denormalize(fields)):
            super().save(using=self._state.db, update_fields=changed)

    def refresh_from_db(self, *args: Any, **options: Any) -> None:
        """Reload from the database; from then on the row's relations are read there too."""
        super().refresh_from_db(*args, **options)
        read_together.unmark(self)

    @classmethod
    def _row_products(cls) -> list[Product]:
        """The products of the rows: what ``.cached`` reads."""
        by_pk = RowProduct(cls)
        declared: list[Product] = [by_pk, KeysProduct(by_pk)]
        declared += [RowProduct(cls, names) for names in _cached_by(cls)]
        declared += [ListProduct(cls, _names(lookup)) for lookup in option(cls, "cached_lists")]
        if publishes_itself(cls):
            declared += [RowProduct(cls, names) for names in declared_lookups(cls)]
        return declared

    def _denormalize(self, fields: Mapping[str, str]) -> list[str]:
        """Set the denormalized fields; the names of those that have changed."""
        changed = []
        for name, method in fields.items():
            value = getattr(self, method)()
            if value != getattr(self, name):
                setattr(self, name, value)
                changed.append(name)
        return changed

    def publish(self) -> None:
        """Publish this row: by pk and by each of ``cached_by``.

        Override it to publish more; it runs in the listener, for the old and the new version of
        the row. Called by hand, it asks for the row to be published again.
        """
        self.publish_by("pk")
        for names in _cached_by(type(self)):
            self.publish_by(*names)
        for name, method in cached_methods(type(self)).items():
            if method.auto_publish:
                self.publish_method(name)

    publish.by_declaration = True  # type: ignore[attr-defined]

    def publish_by(self, *fields: str) -> None:
        """Publish this row under a lookup.

        Raises:
            UndeclaredLookup: when the model has no such field.
        """
        found = collector()
        if found is not None and found.declaring:
            found.lookups.append(fields)
            return
        product = type(self).cached.product_of(fields)
        names = [parameter.name for parameter in product.parameters]
        _publish(product.key_of({name: getattr(self, name) for name in names}))

    def publish_method(self, name: str, *args: Any, **options: Any) -> None:
        """Publish the value of a cached method.

        Raises:
            AttributeError: when it is none.
        """
        method = cached_methods(type(self)).get(name)
        if method is None:
            raise AttributeError(f"{type(self).__name__}.{name} is no cached_method.")
        found = collector()
        if found is None or not found.declaring:
            product = method.product(type(self))
            _publish(product.key_of(method.parameters(self, args, options)))


def _publish(key: str) -> None:
    found = collector()
    if found is not None:
        found.keys[key] = None
        return
    with connections[settings.DATABASE].cursor() as cursor:
        refreshes.log(cursor, refreshes.REFRESH, [key])


def _names(lookup: str | Sequence[str]) -> tuple[str, ...]:
    return (lookup,) if isinstance(lookup, str) else tuple(lookup)


@cache
def _cached_by(model: type[models.Model]) -> Sequence[tuple[str, ...]]:
    """The fields of each of the model's ``cached_by``. Found once: each row's ``publish`` asks."""
    return [_names(lookup) for lookup in option(model, "cached_by")]


def products_of(model: type[CacheModel]) -> list[Product]:
    """The products that a model declares.

    Raises:
        InvalidPrimer: when a lookup names a field that the model does not have, when its default
            manager cannot be followed, or for an option that cannot be kept.
    """
    if is_field(model, "cached"):
        raise InvalidPrimer(
            f"{model._meta.label} has a field called cached, which hides its rows' reader: call "
            'the field something else (db_column="cached" keeps its column).'
        )
    check_options(model)
    found: dict[str, Product] = {}
    try:
        declared: list[Product] = model._row_products()
        declared += [MethodProduct(model, method) for method in cached_methods(model).values()]
    except KeyError as missing:
        raise InvalidPrimer(
            f"{model._meta.label}: cached_by and cached_lists name fields of the model; "
            f"{missing.args[0]!r} is none."
        ) from None
    for product in declared:
        found.setdefault(product.name, product)
    return list(found.values())


def _is_of_a_model(other: Product) -> bool:
    """An older copy of the model may have declared it before: a module that is loaded again."""
    return isinstance(other, RowProduct | TableProduct | KeysProduct | MethodProduct)


def _prepared(sender: type[models.Model], **_: Any) -> None:
    """A model class is ready: once all are, its products are registered."""
    meta = sender._meta
    if not issubclass(sender, CacheModel) or meta.swapped or meta.apps is not apps:
        return  # historical models of migrations are not ours to publish
    if not meta.proxy:
        relations.install(sender)

    def declare() -> None:
        if meta.proxy and not look_at_proxy(sender, CacheModel):
            return  # its rows are the concrete model's
        for product in products_of(sender):
            registry.register(product, replaces=_is_of_a_model)

    registry.later(declare)


class_prepared.connect(_prepared, dispatch_uid="kck_publish.models")
