"""Primer: how a product is computed, amended and listed, and what it depends on.

A user subclasses ``Primer``, or writes a function under ``@primer``. Subclasses with a ``key``
are registered as they are declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar

from django.db.models import Model

from . import encoding, keys, registry
from .dependencies import Change, Depends
from .exceptions import InvalidPrimer
from .managers import ProductReader
from .products import Parameters, Product

_BEHIND = ("serve", "compute", "raise")


class Primer(Product):
    """Declares a product.

    Attributes:
        key: the product's name.
        parameters: what tells its values from one another, in the order of the key.
        depends_on: sources and other products; a bare model means "any of its rows".
        eager: keep the whole ``domain`` primed.
        prime_on_cache_miss: whether a read computes what is not stored.
        soft_expire, hard_expire: for products fed from outside the database; None for never.
        when_behind: ``"serve"``, ``"compute"`` or ``"raise"`` once the lag passes ``max_lag``.
        retry: what is done when a refresh fails; None for the settings' default.
        version: part of the fingerprint; raise it when ``compute`` gives another form.
    """

    key: ClassVar[str]
    refresh_every: timedelta | str | None = None
    version: int = 1
    cached: ClassVar[ProductReader] = ProductReader()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if isinstance(cls.__dict__.get("key"), str) and not issubclass(cls, Model):
            product = cls()
            registry.register(product, replaces=product._is_newer_than)

    def __init__(self) -> None:
        self.name = keys.check_name(self.__class__.key)
        self.parameters = keys.check_parameters(self.name, self.parameters)
        self.depends_on = [
            one if isinstance(one, Depends) else Depends(one) for one in self.depends_on
        ]
        if self.when_behind not in _BEHIND:
            raise InvalidPrimer(
                f"{self.name}: when_behind is one of {', '.join(map(repr, _BEHIND))}, "
                f"not {self.when_behind!r}."
            )
        if not self._overrides("compute"):
            raise InvalidPrimer(f"{self.name}: write compute(self, ...).")

    # What a user writes

    def compute(self, *args: Any, **parameters: Any) -> Any:
        """The value, whole. Raises ObjectDoesNotExist to say that there is none."""
        raise NotImplementedError

    def compute_many(self, *args: Any, **options: Any) -> Iterable[Any]:
        """``compute_many(parameters)``: the values of several keys in one pass, in order."""
        raise NotImplementedError

    def augment(self, *args: Any, **parameters: Any) -> Any:
        """``augment(value, change, **parameters)``: the value after a change.

        Raises:
            Reprime: to have it computed instead.
        """
        raise NotImplementedError

    def domain(self) -> Iterable[Parameters]:
        """Every parameter dict that should exist."""
        raise NotImplementedError

    def pre_prime(self, *args: Any, **parameters: Any) -> None:
        """``pre_prime(**parameters)``: called before a compute."""

    def post_prime(self, *args: Any, **parameters: Any) -> None:
        """``post_prime(value, **parameters)``: called with what a compute gave."""

    def pre_set(self, *args: Any, **parameters: Any) -> None:
        """``pre_set(value, **parameters)``: called before a value is stored."""

    def post_set(self, *args: Any, **parameters: Any) -> None:
        """``post_set(value, **parameters)``: called after a value was stored."""

    # What the library asks of a product

    @cached_property
    def fingerprint(self) -> str:
        return encoding.fingerprint("primer", self.name, repr(self.version))

    @cached_property
    def augmentable(self) -> bool:
        return self._overrides("augment")

    def augment_with(self, value: Any, changes: Iterable[Change], parameters: Parameters) -> Any:
        for change in changes:
            value = self.augment(value, change, **parameters)
        return value

    def members(self) -> Iterable[Parameters] | None:
        return self.domain() if self._overrides("domain") else None

    def before_set(self, value: Any, parameters: Parameters) -> None:
        self.pre_set(value, **parameters)

    def after_set(self, value: Any, parameters: Parameters) -> None:
        self.post_set(value, **parameters)

    def prime_one(self, parameters: Parameters) -> Any:
        self.pre_prime(**parameters)
        value = self.compute(**parameters)
        self.post_prime(value, **parameters)
        return value

    def prime_many(self, parameters: Sequence[Parameters]) -> Sequence[Any] | None:
        if not self._overrides("compute_many"):
            return None
        for each in parameters:
            self.pre_prime(**each)
        values = list(self.compute_many(parameters))
        for each, value in zip(parameters, values, strict=False):
            self.post_prime(value, **each)
        return values

    def _overrides(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Primer, method)

    def _is_newer_than(self, other: Product) -> bool:
        """A module that is loaded again declares the same class again."""
        mine, theirs = type(self), type(other)
        return (mine.__module__, mine.__qualname__) == (theirs.__module__, theirs.__qualname__)

    def __repr__(self) -> str:
        return f"{type(self).__module__}.{type(self).__qualname__}"


def primer(
    pattern: str,
    *,
    depends_on: Sequence[Depends | type[Model] | str] = (),
    **attributes: Any,
) -> Callable[[Callable[..., Any]], type[Primer]]:
    """The short form: a function becomes a primer.

    Args:
        pattern: the key with its parameters, ``"top_authors/<int:limit>"``.
        depends_on: as on a Primer.
        attributes: any other attribute of a Primer.

    Returns:
        the Primer class, with ``.cached``; calling it computes.
    """
    name, parameters = keys.parse_pattern(pattern)

    def declare(function: Callable[..., Any]) -> type[Primer]:
        def compute(self: Primer, **values: Any) -> Any:
            return function(**values)

        def call(cls: type, *args: Any, **values: Any) -> Any:
            return function(*args, **values)

        namespace: Mapping[str, Any] = {
            "key": name,
            "parameters": parameters,
            "depends_on": list(depends_on),
            "compute": compute,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__doc__": function.__doc__,
            **attributes,
        }
        return type(function.__name__, (Primer,), dict(namespace))

    return declare
