"""``@cached_method``: the decorator, with arguments or without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from django.db.models import Model

from ..products.depends import Depends
from ..public_names import public_in
from .methods import CachedMethod

P = ParamSpec("P")
R = TypeVar("R")


@overload
def cached_method(
    function: Callable[Concatenate[Any, P], R],
    /,
    *,
    depends_on: Sequence[Depends | type[Model] | str] = (),
    auto_publish: bool = False,
    version: int = 1,
) -> CachedMethod[P, R]: ...


@overload
def cached_method(
    *,
    depends_on: Sequence[Depends | type[Model] | str] = (),
    auto_publish: bool = False,
    version: int = 1,
) -> Callable[[Callable[Concatenate[Any, P], R]], CachedMethod[P, R]]: ...


@public_in("kck_publish")
def cached_method(
    function: Callable[..., Any] | None = None,
    /,
    *,
    depends_on: Sequence[Depends | type[Model] | str] = (),
    auto_publish: bool = False,
    version: int = 1,
) -> Any:
    """The value of a method, stored for each row and each set of arguments, and kept true.

    Args:
        depends_on: what it reads beside its own row: ``"Book.author"`` (rows of Book by the
            foreign key, many-to-many or lookup path to this model), a model, a Depends with this
            model's pk as parameter, or a product's Depends.
        auto_publish: prime it whenever the row is published; for methods without arguments.
        version: raise it when the method gives another form.

    Raises:
        InvalidPrimer: when it cannot work, as soon as that shows.
    """

    def decorate(decorated: Callable[..., Any]) -> CachedMethod[..., Any]:
        return CachedMethod(decorated, depends_on, auto_publish, version)

    return decorate if function is None else decorate(function)
