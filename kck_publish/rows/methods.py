"""Methods of a model as products (see ``cached_method``), or stored in a field of the row."""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from asgiref.sync import sync_to_async
from django.apps import apps
from django.db.models import ForeignKey, ManyToManyField, Model
from django.db.models.fields.reverse_related import ForeignObjectRel
from django.db.models.sql import Query

from ..exceptions import InvalidPrimer, KeyParameterMismatch
from ..observed_queries.declarations import Declaration
from ..products import keys, registry
from ..products.depends import Change, Depends
from ..products.fingerprints import fingerprint_of
from ..products.parameters import check_parameters
from ..products.product import Parameters, Product
from ..products.run_async import finished
from ..public_names import public_in
from ..reading.read import answer_to
from ..reading.values import value_of
from .arguments import ArgumentParameter
from .fields import pk_parameters
from .managers import published, rows_of
from .method_text import text_of
from .products import is_published

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
_COLLECTS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class CachedMethod(Generic[P, R]):
    """What ``@cached_method`` makes of a method; see there.

    Raises:
        InvalidPrimer: when it cannot be primed with its row, as it is asked to.
    """

    def __init__(
        self,
        function: Callable[Concatenate[Any, P], R],
        depends_on: Sequence[Depends | type[Model] | str],
        auto_publish: bool,
        version: int,
    ) -> None:
        self.function = function
        self.depends_on = depends_on
        self.auto_publish = auto_publish
        self.version = version
        if not callable(function) or isinstance(function, staticmethod | classmethod):
            raise InvalidPrimer(f"cached_method is for methods of a row, not for {function!r}.")
        if isinstance(depends_on, str) or not isinstance(depends_on, Iterable):
            raise InvalidPrimer(
                f"{function.__qualname__}: depends_on takes a list, not {depends_on!r}."
            )
        functools.update_wrapper(cast("Any", self), function)
        self.signature = inspect.signature(function)
        self.row_name, *_ = [*self.signature.parameters, ""]
        self.arguments = list(self.signature.parameters.values())[1:]
        required = [argument for argument in self.arguments if argument.default is argument.empty]
        if auto_publish and required:
            raise InvalidPrimer(
                f"{function.__qualname__}: auto_publish cannot know the argument "
                f"{required[0].name!r}; give it a default, or leave auto_publish out."
            )

    def __call__(self, row: Model, /, *args: P.args, **options: P.kwargs) -> R:
        return self.__get__(row, type(row))(*args, **options)

    def __set_name__(self, owner: type[Model], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, row: None, owner: type[Model]) -> Self: ...

    @overload
    def __get__(self, row: Model, owner: type[Model]) -> Callable[P, R]: ...

    def __get__(self, row: Model | None, owner: type[Model]) -> Any:
        if row is None:
            return self
        call: Any = functools.partial(self._read, row)
        if inspect.iscoroutinefunction(self.function):
            call = functools.partial(self._aread, row)
        return functools.update_wrapper(call, self.function)

    def product(self, model: type[Model]) -> MethodProduct:
        """The product of this method for the rows of a model."""
        registry.graph()
        label = published(model)._meta.label_lower
        return cast("MethodProduct", registry.get(f"{label}.{self.name}"))

    def call(self, row: Model, values: Mapping[str, Any]) -> Any:
        """What the method returns for a row and the arguments of a key, each by its name."""
        given = {self.row_name: row, **values}
        bound = inspect.BoundArguments(self.signature, OrderedDict(given))
        return self.function(*bound.args, **bound.kwargs)

    def parameters(self, row: Model, args: Sequence[Any], options: Parameters) -> Parameters:
        """The key's parameters for a call."""
        product = self.product(type(row))
        try:
            bound = self.signature.bind(row, *args, **options)
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
            return await cast("Any", self.function)(row, *args, **options)
        return await sync_to_async(self._read)(row, *args, **options)


class MethodProduct(Product):
    """The product of a cached method."""

    def __init__(self, model: type[Model], method: CachedMethod[..., Any]) -> None:
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
        method = self.method
        collects = any(argument.kind in _COLLECTS for argument in method.arguments)
        called = ["as it is"] if collects else []  # what was stored before was called otherwise
        return fingerprint_of(
            "method", self.name, str(method.signature), repr(method.version), *called
        )

    def prime_one(self, parameters: Parameters) -> Any:
        values = dict(parameters)
        lookup = {parameter.name: values.pop(parameter.name) for parameter in self.row_parameters}
        row = rows_of(self.model).get(**lookup)
        return finished(self.method.call(row, values))

    def dependency_text(self, declaration: Declaration) -> str:
        return text_of(self.model, declaration, self._resolve)

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
            model = apps.get_model(label)
            field: Any = model._meta.get_field(field_name.partition("__")[0])
        except (LookupError, ValueError) as error:
            raise InvalidPrimer(f"{where}: {error}") from None
        if len(self.row_parameters) != 1:
            raise InvalidPrimer(f"{where}: the primary key is composite; give a Depends.")
        (pk,) = self.row_parameters
        if "__" in field_name or isinstance(field, ForeignObjectRel):
            return self._at_the_end_of(where, model, field_name)
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

    def _at_the_end_of(self, where: str, model: type[Model], path: str) -> Depends:
        """A dependency on the rows that lead to this model's row by a lookup path."""
        (pk,) = self.row_parameters
        infos, _, _, rest = Query(model).names_to_path(path.split("__"), model._meta)
        leads = infos[-1].to_opts.concrete_model if infos and not rest else None
        if leads is None or not issubclass(self.model, leads):
            raise InvalidPrimer(f"{where} does not lead to this model.")
        return Depends.by(model, {pk.name: f"{path}__pk"})


def _attname(model: type[Model], column: str) -> str:
    return next(field.attname for field in model._meta.concrete_fields if field.column == column)


@functools.cache
def cached_methods(model: type[Model]) -> Mapping[str, CachedMethod[..., Any]]:
    """The cached methods of a model, its bases' too, by name. Found once: each ``publish`` asks."""
    found: dict[str, CachedMethod[..., Any]] = {}
    for base in reversed(model.__mro__):
        for name, attribute in vars(base).items():
            if isinstance(attribute, CachedMethod):
                found[name] = attribute
            else:
                found.pop(name, None)  # overridden by something else
    return found


@public_in("kck_publish")
def denormalized_field(field_name: str) -> Callable[[F], F]:
    """The method's result is stored in a field of the row at each ``save()``.

    Bulk writes and raw SQL do not call it; for values of the same row prefer GeneratedField.

    Args:
        field_name: the field.

    Raises:
        InvalidPrimer: when it is used without the field's name.
    """
    if not isinstance(field_name, str):
        raise InvalidPrimer("Name the field: @denormalized_field('book_count').")

    def mark(function: F) -> F:
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
