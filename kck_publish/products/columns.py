"""The columns of models, by the names that declarations use. Pure."""

from __future__ import annotations

from typing import Any

from django.db.models import Field, Model

from ..exceptions import InvalidPrimer


def attname(model: type[Model], name: str) -> str:
    """The attname of a field given by name, attname or ``pk``."""
    return name if name == "pk" else fields_of(model, name)[0].attname


def has_column(model: type[Model], name: str) -> bool:
    """Whether a name is that of a column (or ``pk``), and not a path to one."""
    return name == "pk" or any(
        name in (field.name, field.attname) and field.column is not None
        for field in model._meta.concrete_fields
    )


def fields_of(model: type[Model], name: str) -> tuple[Field[Any, Any], ...]:
    """The concrete fields that a name stands for: several for a composite ``pk``.

    Raises:
        InvalidPrimer: when the model has no such column.
    """
    if name == "pk":
        return tuple(model._meta.pk_fields)
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname) and field.column is not None:
            return (field,)
    known = ", ".join(field.attname for field in model._meta.concrete_fields)
    raise InvalidPrimer(f"{model._meta.label} has no column {name!r}; it has {known}.")


def concrete(model: type[Model]) -> type[Model]:
    """The model that has the table of a proxy."""
    return model._meta.concrete_model or model


def value_field(field: Field[Any, Any]) -> Field[Any, Any]:
    """The field whose values a field holds: a foreign key's target, through all that follow."""
    while field.remote_field is not None and hasattr(field, "target_field"):
        field = field.target_field
    return field
