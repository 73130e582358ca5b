"""The value that rows have where one asks for another: fields may write a value in another form.

A field of a project's own may ask the database for "ann" where it is given "ANN", and Django's
take "007" for 7. Rows, and so their changes, have the one form alone, and a key is of that.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import DateField, Field, GenericIPAddressField, IntegerField, UUIDField

from ..conf import settings


def read_back(field: Field[Any, Any], value: Any) -> Any:
    """The value that a row has when it was given this one, where the field's own code says so.

    What cannot be told, as of a field that keeps only a hash, stays as it is.
    """
    if not has_own_form(field):
        return value
    try:
        once = _written(field, value)
        return once if _written(field, once) == once else value
    except Exception:  # noqa: BLE001 - the field's own code, of a value that it need not take
        return value


def has_several_texts(field: Field[Any, Any]) -> bool:
    """Whether the database may find a row by other texts than that of its value."""
    return _is_read(field) or has_own_form(field)


def text_of(field: Field[Any, Any], text: str) -> str:
    """The text by which a changed row names a key, where the database would find it by this one."""
    try:
        if _is_read(field):
            return str(field.to_python(text))
    except (ValidationError, ValueError, OverflowError):
        return text  # no row has it
    found = read_back(field, text)
    return str.__str__(found) if isinstance(found, str) else text


def _is_read(field: Field[Any, Any]) -> bool:
    """Whether the database reads a text as a value that has several."""
    return isinstance(field, IntegerField | DateField | UUIDField | GenericIPAddressField)


def has_own_form(field: Field[Any, Any]) -> bool:
    """Whether a field has code of its own for what is asked of the database, or read."""
    kind: Any = type(field)
    return _converts(kind)


@cache
def _converts(kind: type[Any]) -> bool:
    own = (getattr(kind, name, None) for name in ("get_prep_value", "from_db_value"))
    return any(method and not method.__module__.startswith("django.") for method in own)


def _written(field: Any, value: Any) -> Any:
    value = field.get_prep_value(value)
    if not hasattr(field, "from_db_value"):
        return value
    return field.from_db_value(value, field.get_col(None), connections[settings.DATABASE])
