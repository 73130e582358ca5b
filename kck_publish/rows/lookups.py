"""A model's lookups: the product that answers one, and its parameters as the reader gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Model

from ..exceptions import KeyParameterMismatch, UndeclaredLookup
from ..products import registry
from ..products.product import Product
from ..products.read_back import read_back
from .fields import lookup_field
from .managers import published


def product_of(model: type[Model], names: Sequence[str], lists: bool) -> Product:
    """The product of a lookup, its fields named in any order and spelling.

    Args:
        lists: whether all rows are asked for, and not the one.

    Raises:
        UndeclaredLookup: the model does not declare it.
    """
    products = registry.graph().products
    concrete = published(model)
    pk = tuple(field.attname for field in concrete._meta.pk_fields)
    try:
        found = {lookup_field(concrete, name).attname for name in names if name != "pk"}
    except KeyError:
        raise _undeclared(model, names, lists) from None
    attnames = tuple(sorted(found | (set(pk) if "pk" in names else set())))
    label = concrete._meta.label_lower
    if lists:
        name = f"{label}[{','.join(attnames)}]"
    else:
        name = label if set(attnames) == set(pk) else f"{label}:{','.join(attnames)}"
    product = products.get(name)
    if product is None or not names:
        raise _undeclared(model, names, lists)
    return product


def parameters_of(
    model: type[Model], product: Product, lookup: Mapping[str, Any]
) -> dict[str, Any]:
    """The product's parameters, of values by field name: rows stand for their keys.

    Raises:
        KeyParameterMismatch: a value that the field does not take.
    """
    names = [parameter.name for parameter in product.parameters]
    parameters: dict[str, Any] = {}
    for name, value in lookup.items():
        if name == "pk" and len(names) > 1:  # a composite primary key
            if not isinstance(value, Sequence) or len(value) != len(names):
                raise KeyParameterMismatch(
                    f"pk takes ({', '.join(names)}), not {value!r}", product.name
                )
            parameters.update(zip(names, value, strict=True))
        elif names == ["pk"]:
            parameters["pk"] = pk_of(model, value, product)
        else:
            field: Any = lookup_field(model, name)
            if isinstance(value, Model) and field.remote_field is not None:
                value = target_of(field, value, product)
            parameters[field.attname] = read_back(field, None) if value is None else value
    return parameters


def pk_of(model: type[Model], value: Any, product: Product) -> Any:
    """The primary key that a value is, or that a row of the model has."""
    if not isinstance(value, Model):
        return value
    if not isinstance(value, model._meta.concrete_model or model):
        raise KeyParameterMismatch(
            f"pk takes a {model.__name__} or its key, not {value!r}", product.name
        )
    return value.pk


def target_of(field: Any, row: Model, product: Product) -> Any:
    """The value that a foreign key to this row holds."""
    if not isinstance(row, field.related_model):
        raise KeyParameterMismatch(
            f"{field.name} takes a {field.related_model.__name__}, not {row!r}", product.name
        )
    return getattr(row, field.target_field.attname)


def _undeclared(model: type[Model], names: Sequence[str], lists: bool) -> UndeclaredLookup:
    label = published(model)._meta.label_lower
    opening = "[" if lists else ":"
    declared = [
        name[len(label) + 1 :].rstrip("]").split(",")
        for name in registry.graph().products
        if name.startswith(label + opening) and name != f"{label}[]"
    ]
    known = [*([] if lists else [["pk"]]), *declared]
    return UndeclaredLookup(model, names, known, _line(model, names, declared, lists))


def _line(
    model: type[Model], names: Sequence[str], declared: Sequence[Sequence[str]], lists: bool
) -> str:
    """The attribute of the model that would declare a lookup; "" where it names no fields."""
    try:
        fields = [lookup_field(model, name).name for name in names]
    except KeyError:
        return ""
    lookups = [each[0] if len(each) == 1 else tuple(each) for each in [*declared, fields]]
    return f"{'cached_lists' if lists else 'cached_by'} = {lookups!r}"
