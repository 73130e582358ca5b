"""Primer: how a product is computed, amended and listed, and what it depends on.

A user subclasses ``Primer``, or writes a function under ``@primer``; classes with a ``key`` are
registered as they are declared. As a mixin on a model, its parameter is the row's pk and its
``self`` the row. ``product`` turns either into a product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.apps import apps
from django.db.models import Model
from django.db.models.signals import class_prepared

from ..products import registry
from ..products.depends import Depends
from ..products.domain import DomainProduct, Membership
from ..products.options import Options
from ..products.parameters import Parameter
from ..public_names import public_in
from ..reading.product_reader import ProductReader
from ..rows.cached import Cached
from .product import ModelPrimerProduct, PrimerProduct, unwritten
from .reader import reader_of


@public_in("kck_publish")
class Primer(Options):
    """Declares a product; see ``Options`` for what else may be set.

    Attributes:
        key: the product's name.
        parameters: what tells its values from one another, in the order of the key.
        depends_on: sources and other products; a bare model means "any of its rows".
        version: part of the fingerprint; raise it when ``compute`` gives another form.
    """

    key: ClassVar[Any]
    parameters: Sequence[Parameter] = ()
    depends_on: Sequence[Depends | type[Model] | str] = ()
    version: int = 1
    cached: ClassVar[Cached] = Cached(reader_of)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if isinstance(cls.__dict__.get("key"), str) and not issubclass(cls, Model):
            cls._announce()

    @classmethod
    def _announce(cls) -> None:
        """Announce the product; called once for a class with a ``key``. Raises InvalidPrimer."""
        product = PrimerProduct(cls())
        cls._register(product)
        reader: Any = ProductReader(product.name)  # one look less than by the descriptor
        cls.cached = reader

    @classmethod
    def _register(cls, product: PrimerProduct) -> None:
        """Make a product known, and its domain where that is kept up."""
        registry.register(product, replaces=product.is_newer_than)
        if product.eager and product.warm and product.parameters:
            domain = DomainProduct(product)
            registry.register(domain, replaces=lambda other: isinstance(other, DomainProduct))
            product.depends_on = [*product.depends_on, Membership(domain.name)]

    @unwritten
    def compute(self, *args: Any, **parameters: Any) -> Any:
        """``compute(**parameters)``: the value, whole. It may be ``async def``.

        Raises:
            ObjectDoesNotExist: to say that there is none.
        """
        raise NotImplementedError

    @unwritten
    def compute_many(self, *args: Any, **options: Any) -> Iterable[Any]:
        """``compute_many(parameters)``: the values of several keys in one pass, in order."""
        raise NotImplementedError

    @unwritten
    def augment(self, *args: Any, **parameters: Any) -> Any:
        """``augment(value, change, **parameters)``: the value after a change.

        Raises:
            Reprime: to have it computed instead.
        """
        raise NotImplementedError

    @unwritten
    def domain(self) -> Iterable[Mapping[str, Any]]:
        """Every parameter dict that should exist."""
        raise NotImplementedError

    def pre_prime(self, *args: Any, **parameters: Any) -> None:
        """``pre_prime(**parameters)``: called before a compute."""

    def post_prime(self, *args: Any, **parameters: Any) -> None:
        """``post_prime(value, **parameters)``: called with what a compute gave."""

    @unwritten
    def pre_set(self, *args: Any, **parameters: Any) -> None:
        """``pre_set(value, **parameters)``: called before a value is stored."""

    @unwritten
    def post_set(self, *args: Any, **parameters: Any) -> None:
        """``post_set(value, **parameters)``: called after a value was stored."""


def _prepared(sender: type[Model], **_: Any) -> None:
    """A model with the mixin is ready: once all are, its product is registered."""
    meta = sender._meta
    if not issubclass(sender, Primer) or meta.proxy or meta.swapped or meta.apps is not apps:
        return

    def declare() -> None:
        product = ModelPrimerProduct(sender)
        registry.register(product, replaces=product.is_newer_than)

    registry.later(declare)


class_prepared.connect(_prepared, dispatch_uid="kck_publish.primers")
