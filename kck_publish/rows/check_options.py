"""The options and decorators of a CacheModel: refused where they could not be kept."""

from __future__ import annotations

import inspect
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from ..exceptions import InvalidPrimer
from ..products.columns import fields_of
from ..products.run_async import is_async
from .methods import denormalized
from .options import option


def check_options(model: type[Model]) -> None:
    """See that what a model declares can be kept.

    Raises:
        InvalidPrimer: for the first option, or denormalized field, that cannot be.
    """
    label = model._meta.label
    for name in ("cached_by", "cached_lists", "captured"):
        said = option(model, name)
        if name == "captured" and said is None:
            continue
        if isinstance(said, str) or not isinstance(said, list | tuple | set | frozenset):
            raise InvalidPrimer(f"{label}: {name} is a list, as [{said!r}], not {said!r}.")
    for column in option(model, "captured") or ():
        fields_of(model, column)
    eager = option(model, "eager")
    if not isinstance(eager, bool):
        raise InvalidPrimer(f"{label}: eager is True or False, not {eager!r}.")
    for field, method in denormalized(model).items():
        _check_denormalized(model, field, method)


def _check_denormalized(model: type[Model], field: str, method: str) -> None:
    where = f"{model._meta.label}.{method}: denormalized_field({field!r})"
    try:
        found: Any = model._meta.get_field(field)
    except FieldDoesNotExist:
        found = None
    if not getattr(found, "concrete", False):
        raise InvalidPrimer(f"{where} names no field of the model that has a column.")
    function = inspect.getattr_static(model, method)
    if is_async(function):
        raise InvalidPrimer(f"{where} is for a method that save() can call: not async def.")
