"""The options of a CacheModel, where a field of the model may have the same name."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

# What a CacheModel does that says nothing.
DEFAULTS = {
    "cached_by": (),
    "cached_lists": (),
    "cached_related": (),
    "captured": None,
    "eager": True,
}


def option(model: type[Model], name: str) -> Any:
    """An option as the model's classes declare it; the default where the name is a field's.

    What Primer, as a mixin, says of primers is not meant.
    """
    if not is_field(model, name):
        for base in model.__mro__:
            if issubclass(base, Model) and name in vars(base):
                return vars(base)[name]
    return DEFAULTS[name]


def is_field(model: type[Model], name: str) -> bool:
    """Whether a name is a field's, so that the class's attribute of that name reads the field."""
    fields = [*model._meta.fields, *model._meta.many_to_many]
    return any(name in (field.name, field.attname) for field in fields)
