"""The products that primers declare: what the library asks of a product, asked of a Primer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model

from ..conf import settings
from ..exceptions import InvalidPrimer, Reprime
from ..products import keys
from ..products.depends import Change, Depends
from ..products.fingerprints import fingerprint_of
from ..products.options import OPTIONS, Options, check_options
from ..products.parameters import Parameter, check_parameters, form_of
from ..products.product import Parameters, Product
from ..products.rights import is_field
from ..products.run_async import finished
from ..rows.fields import pk_parameters
from ..rows.products import is_published
from .check_methods import check_methods

if TYPE_CHECKING:
    from .base import Primer


def unwritten(method: Any) -> Any:
    """Marks a method of Primer that does nothing until a user writes it."""
    method.unwritten = True
    return method


class PrimerProduct(Product):
    """The product of a Primer.

    Args:
        primer: the one instance that computes; it keeps no state between calls.

    Raises:
        InvalidPrimer: for a declaration that cannot work.
    """

    sender: type[Primer]

    def __init__(self, primer: Primer) -> None:
        self.primer = primer
        self.sender = type(primer)
        self._declare(type(primer).key, primer.parameters)
        if not self._writes("compute"):
            raise InvalidPrimer(f"{self.name}: write compute(self, ...).")

    def _declare(self, name: str, parameters: Sequence[Parameter]) -> None:
        self.name = keys.check_name(name)
        if not isinstance(parameters, Sequence):
            raise InvalidPrimer(f"{self.name}: parameters takes a list, not {parameters!r}.")
        self.parameters = check_parameters(self.name, parameters)
        sources = self._said("depends_on", ())
        if isinstance(sources, str) or not isinstance(sources, Iterable):
            raise InvalidPrimer(f"{self.name}: depends_on takes a list, not {sources!r}.")
        self.depends_on = [
            source if isinstance(source, Depends) else Depends(source) for source in sources
        ]
        check_options(self.name, self)
        if isinstance(self.version, set | frozenset) or " at 0x" in repr(self.version):
            # The next process would tell it from itself.
            raise InvalidPrimer(f"{self.name}: version is a number, not {self.version!r}.")
        check_methods(self.name, self.sender, self._given)

    @property
    def options(self) -> type[Primer]:
        return self.sender

    @property
    def version(self) -> Any:
        """The version that the primer says."""
        return self._said("version", 1)

    @property
    def _given(self) -> Sequence[str] | None:
        """The names of what compute is given; None where that is the row."""
        return [parameter.name for parameter in self.parameters]

    def _said(self, name: str, default: Any) -> Any:
        """What the class says; the default where a field of the model has the name."""
        value = getattr(self.sender, name)
        return default if is_field(value) else value

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of("primer", self.name, repr(self.version), *form_of(self.parameters))

    @cached_property
    def augmentable(self) -> bool:
        return self._writes("augment")

    def prime_one(self, parameters: Parameters) -> Any:
        self.primer.pre_prime(**parameters)
        value = finished(self.primer.compute(**parameters))
        self.primer.post_prime(value, **parameters)
        return value

    def prime_many(self, parameters: Sequence[Parameters]) -> Sequence[Any] | None:
        if not self._writes("compute_many"):
            return None
        for each in parameters:
            self.primer.pre_prime(**each)
        values = list(finished(self.primer.compute_many(parameters)))
        for each, value in zip(parameters, values, strict=False):
            self.primer.post_prime(value, **each)
        return values

    def augment_with(self, value: Any, changes: Iterable[Change], parameters: Parameters) -> Any:
        for change in changes:
            value = self.primer.augment(value, change, **parameters)
        return value

    def members(self) -> Iterable[Parameters] | None:
        if self._writes("domain"):
            members: Iterable[Parameters] = self.primer.domain()
            if not isinstance(members, Iterable):  # nothing was returned, or it is async def
                raise InvalidPrimer(f"{self.name}: domain() gives parameter dicts, not {members!r}")
            return members
        return None if self.parameters else [{}]  # without parameters there is one key

    @property
    def has_domain(self) -> bool:
        return self.warm

    @property
    def warm(self) -> bool:
        return self._writes("domain") or not self.parameters

    def before_set(self, value: Any, parameters: Parameters) -> None:
        self.primer.pre_set(value, **parameters)

    def after_set(self, value: Any, parameters: Parameters) -> None:
        self.primer.post_set(value, **parameters)

    def is_newer_than(self, other: Product) -> bool:
        """Whether this is the same class, declared again by a module that is loaded again."""
        mine, theirs = self.sender, other.sender
        return (mine.__module__, mine.__qualname__) == (theirs.__module__, theirs.__qualname__)

    def _writes(self, method: str) -> bool:
        return not hasattr(getattr(self.sender, method), "unwritten")

    def __repr__(self) -> str:
        return f"{self.sender.__module__}.{self.sender.__qualname__}"


class _Option:
    """An option of a PrimerProduct: its Primer's, as it is now."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, product: PrimerProduct, owner: type) -> Any:
        value = getattr(product.sender, self._name)
        return getattr(Options, self._name) if is_field(value) else value


for _name in OPTIONS:
    setattr(PrimerProduct, _name, _Option(_name))


def name_of(primer: type[Any]) -> str:
    """The name of the product that a primer declares, or a model with Primer as a mixin.

    Raises:
        InvalidPrimer: it declares none.
    """
    name = vars(primer).get("key") if issubclass(primer, Model) else getattr(primer, "key", None)
    if not isinstance(name, str) and issubclass(primer, Model) and issubclass(primer, Options):
        name = f"{primer._meta.label_lower}.product"
    if not isinstance(name, str):
        raise InvalidPrimer(f"{primer.__qualname__} is no primer: name a product.")
    return name


class ModelPrimerProduct(PrimerProduct):
    """The product of a model with Primer as a mixin: one value a row, computed by the row."""

    eager = False  # written rows are primed (see named_by), not the whole table
    _given = None

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.sender = cast("type[Primer]", model)
        parameters = pk_parameters(model)
        self._declare(name_of(model), parameters)
        own = Depends.by(model, {parameter.name: parameter.name for parameter in parameters})
        self.depends_on = [own, *self.depends_on]

    def prime_one(self, parameters: Parameters) -> Any:
        row: Any = self._row(parameters)
        row.pre_prime()
        value = finished(row.compute())
        row.post_prime(value)
        return value

    def prime_many(self, parameters: Sequence[Parameters]) -> Sequence[Any] | None:
        return None

    def augment_with(self, value: Any, changes: Iterable[Change], parameters: Parameters) -> Any:
        try:
            row: Any = self._row(parameters)
        except ObjectDoesNotExist:
            raise Reprime("the row is gone") from None
        for change in changes:
            value = row.augment(value, change)
        return value

    def named_by(self, change: Change, dependency: Depends) -> bool:
        return dependency is self.depends_on[0] and is_published(self.model)

    def members(self) -> Iterable[Parameters] | None:
        names = [parameter.name for parameter in self.parameters]
        rows = self.model._default_manager.using(settings.DATABASE).values_list(*names)
        return (dict(zip(names, values, strict=True)) for values in rows.order_by("pk"))

    @property
    def options(self) -> Any:
        return self  # which knows the fields whose names are those of options

    @property
    def warm(self) -> bool:
        return True

    def before_set(self, value: Any, parameters: Parameters) -> None:
        if self._hooks("pre_set"):
            cast("Any", self._row(parameters)).pre_set(value)

    def after_set(self, value: Any, parameters: Parameters) -> None:
        if self._hooks("post_set"):
            cast("Any", self._row(parameters)).post_set(value)

    def _hooks(self, name: str) -> bool:
        return not hasattr(getattr(self.model, name), "unwritten")

    def _row(self, parameters: Parameters) -> Model:
        return self.model._default_manager.using(settings.DATABASE).get(**parameters)
