"""``@cached_method``: a product bound to a row, kept true. ``@denormalized_field``: see below."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.apps import apps
from django.db.models import ForeignKey, ManyToManyField, Model

from ..exceptions import InvalidPrimer, KeyParameterMismatch
from ..products import encoding, keys, registry
from ..products.depends import Change, Depends
from ..products.parameters import Parameter, check_parameters
from ..products.product import Parameters, Product
from ..products.run_async import finished
from ..public import public_in
from ..reading.read import answer_to
from ..reading.values import value_of
from .fields import pk_parameters
from .managers import published, rows_of
from .products import is_published


@dataclass(frozen=True)
class ArgumentParameter(Parameter):
    """An argument of a cached method: anything small that can be stored."""

    takes = "a value that can be stored"

    def clean(self, value: Any) -> Any:
        return value

    def to_text(self, value: Any) -> str:
        body, shape = encoding.encode(value)
        return body.decode() + ("" if shape is None else "\n" + shape.decode())

    def from_text(self, text: str) -> Any:
        body, _, shape = text.partition("\n")
        return encoding.decode(body.encode(), shape.encode() or None)


@public_in("kck_publish")
class cached_method:  # noqa: N801 - used as a decorator
    """The value of a method, stored for each row and each set of arguments, and kept true.

    Args:
        depends_on: what it reads beside its own row: ``"Book.author"`` (rows of Book by the
            foreign key or many-to-many to this model), a model, a Depends with this model's pk
            as parameter, or a product's Depends.
        auto_publish: prime it whenever the row is published; for methods without arguments.
        version: raise it when the method gives another form.

    Raises:
        InvalidPrimer: when it cannot work, as soon as that shows.
    """

    def __init__(
        self,
        function: Callable[..., Any] | None = None,
        *,
        depends_on: Sequence[Depends | type[Model] | str] = (),
        auto_publish: bool = False,
        version: int = 1,
    ) -> None:
        self.depends_on = depends_on
        self.auto_publish = auto_publish
        self.version = version
        if function is not None:
            self(function)

    def __call__(self, *args: Any, **options: Any) -> Any:
        if not hasattr(self, "function"):
            (self.function,) = args
            functools.update_wrapper(cast("Any", self), self.function)
            self.arguments = list(inspect.signature(self.function).parameters.values())[1:]
            required = [
                argument for argument in self.arguments if argument.default is argument.empty
            ]
            if self.auto_publish and required:
                raise InvalidPrimer(
                    f"{self.function.__qualname__}: auto_publish cannot know the argument "
                    f"{required[0].name!r}; give it a default, or leave auto_publish out."
                )
            return self
        row, *rest = args
        return self.__get__(row, type(row))(*rest, **options)

    def __set_name__(self, owner: type[Model], name: str) -> None:
        self.name = name

    def __get__(self, row: Model | None, owner: type[Model]) -> Any:
        if row is None:
            return self
        call = functools.partial(self._read, row)
        if inspect.iscoroutinefunction(self.function):
            call = functools.partial(self._aread, row)
        return functools.update_wrapper(call, self.function)

    def product(self, model: type[Model]) -> MethodProduct:
        """The product of this method for the rows of a model."""
        registry.graph()
        label = published(model)._meta.label_lower
        return cast("MethodProduct", registry.get(f"{label}.{self.name}"))

    def parameters(self, row: Model, args: Sequence[Any], options: Parameters) -> Parameters:
        """The key's parameters for a call."""
        product = self.product(type(row))
        try:
            bound = inspect.signature(self.function).bind(row, *args, **options)
        except TypeError as error:
            raise KeyParameterMismatch(str(error), product.name) from None
        bound.apply_defaults()
        given = {argument.name: bound.arguments[argument.name] for argument in self.arguments}
        return {
            parameter.name: getattr(row, parameter.name) for parameter in product.row_parameters
        } | given

    def _read(self, row: Model, *args: Any, **options: Any) -> Any:
        if row.pk is None:  # nothing to be stored under
            return self.function(row, *args, **options)
        product = self.product(type(row))
        key = product.key_of(self.parameters(row, args, options))
        return value_of(product, key, answer_to(product, key))

    async def _aread(self, row: Model, *args: Any, **options: Any) -> Any:
        if row.pk is None:
            return await self.function(row, *args, **options)
        return await sync_to_async(self._read)(row, *args, **options)


class MethodProduct(Product):
    """The product of a cached method."""

    def __init__(self, model: type[Model], method: cached_method) -> None:
        self.model = model
        self.sender = model
        self.method = method
        self.name = keys.check_name(f"{model._meta.label_lower}.{method.name}")
        self.row_parameters = pk_parameters(model)
        arguments = [ArgumentParameter(argument.name, null=True) for argument in method.arguments]
        self.parameters = check_parameters(self.name, [*self.row_parameters, *arguments])
        own = Depends.by(
            model, {parameter.name: parameter.name for parameter in self.row_parameters}
        )
        self.depends_on = [own, *(self._resolve(dependency) for dependency in method.depends_on)]

    @functools.cached_property
    def fingerprint(self) -> str:
        signature = str(inspect.signature(self.method.function))
        return encoding.fingerprint("method", self.name, signature, repr(self.method.version))

    def prime_one(self, parameters: Parameters) -> Any:
        values = dict(parameters)
        lookup = {parameter.name: values.pop(parameter.name) for parameter in self.row_parameters}
        row = rows_of(self.model).get(**lookup)
        return finished(self.method.function(row, **values))

    def named_by(self, change: Change, dependency: Depends) -> bool:
        own = dependency is self.depends_on[0]
        return own and self.method.auto_publish and is_published(self.model)

    def _resolve(self, on: Depends | type[Model] | str) -> Depends:
        if isinstance(on, Depends):
            return on
        if not isinstance(on, str):
            return Depends(on)
        label, _, field_name = on.rpartition(".")
        where = f"{self.name}: depends_on={on!r}"
        if not label:
            raise InvalidPrimer(f"{where}: write Model.field, for instance 'Book.author'.")
        label = label if "." in label else f"{self.model._meta.app_label}.{label}"
        try:
            field: Any = apps.get_model(label)._meta.get_field(field_name)
        except (LookupError, ValueError) as error:
            raise InvalidPrimer(f"{where}: {error}") from None
        if len(self.row_parameters) != 1:
            raise InvalidPrimer(f"{where}: the primary key is composite; give a Depends.")
        (pk,) = self.row_parameters
        if isinstance(field, ManyToManyField):
            through: Any = field.remote_field.through
            theirs = self.model is not field.model
            column = field.m2m_reverse_name() if theirs else field.m2m_column_name()
            return Depends.by(through, {pk.name: _attname(through, column)})
        if not isinstance(field, ForeignKey) or not issubclass(self.model, field.related_model):
            raise InvalidPrimer(f"{where} is no foreign key or many-to-many to this model.")
        if not field.target_field.primary_key:
            raise InvalidPrimer(f"{where} does not point to the primary key; give a Depends.")
        return Depends.by(field.model, {pk.name: field.attname})


def _attname(model: type[Model], column: str) -> str:
    return next(field.attname for field in model._meta.concrete_fields if field.column == column)


def cached_methods(model: type[Model]) -> dict[str, cached_method]:
    """The cached methods of a model, its bases' too, by name."""
    found: dict[str, cached_method] = {}
    for base in reversed(model.__mro__):
        for name, attribute in vars(base).items():
            if isinstance(attribute, cached_method):
                found[name] = attribute
            else:
                found.pop(name, None)  # overridden by something else
    return found


@public_in("kck_publish")
def denormalized_field(field_name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What the method gives is stored in a field of the row at each ``save()``.

    Bulk writes and raw SQL do not call it; for values of the same row prefer GeneratedField.

    Args:
        field_name: the field.

    Raises:
        InvalidPrimer: when it is used without the field's name.
    """
    if not isinstance(field_name, str):
        raise InvalidPrimer("Name the field: @denormalized_field('book_count').")

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        function.denormalizes = field_name  # type: ignore[attr-defined]
        return function

    return mark


def denormalized(model: type[Model]) -> dict[str, str]:
    """The denormalized fields of a model, each with the method that gives it."""
    return {
        attribute.denormalizes: name
        for base in reversed(model.__mro__)
        for name, attribute in vars(base).items()
        if hasattr(attribute, "denormalizes")
    }
