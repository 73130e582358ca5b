"""One column's value <-> what JSON holds of it, chosen once a field. Below ``codec``.

Django's own fields have a converter each, or none where JSON says it all. The value of any other
field is kept in the first way that gives it back, in value and in type; else it is refused.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
import re
import uuid
from collections.abc import Callable
from inspect import getattr_static
from typing import Any

import orjson
from django.db import connections
from django.db.models import Field, FileField

from ..conf import settings
from ..exceptions import Unserializable
from ..products import encoding
from ..products.columns import value_field
from . import range_values

# In the repr of what has none of its own: another one in each process.
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")

Convert = Callable[[Any], Any]
# To what JSON holds, and back. None passes by both.
Pair = tuple[Convert, Convert]


def same(value: Any) -> Any:
    """The converter of what JSON says already."""
    return value


_PLAIN = [
    "AutoField",
    "BigAutoField",
    "SmallAutoField",
    "IntegerField",
    "BigIntegerField",
    "SmallIntegerField",
    "PositiveIntegerField",
    "PositiveBigIntegerField",
    "PositiveSmallIntegerField",
    "BooleanField",
    "CharField",
    "TextField",
    "SlugField",
    "FilePathField",
    "GenericIPAddressField",
    "IPAddressField",
    "CommaSeparatedIntegerField",
    "HStoreField",
]


_CONVERTERS: dict[str, Pair] = {
    **dict.fromkeys(_PLAIN, (same, same)),
    "DateTimeField": (datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "DateField": (datetime.date.isoformat, datetime.date.fromisoformat),
    "TimeField": (datetime.time.isoformat, datetime.time.fromisoformat),
    # Text for what JSON cannot say: nan and the infinities.
    "FloatField": (lambda value: value if math.isfinite(value) else repr(value), float),
    "DecimalField": (str, decimal.Decimal),
    "UUIDField": (str, uuid.UUID),
    "DurationField": (
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda value: datetime.timedelta(*value),
    ),
    "BinaryField": (
        lambda value: base64.b64encode(value).decode(),
        base64.b64decode,
    ),
}


def converters(field: Field[Any, Any]) -> Pair:
    """The stored form of a field's values."""
    target: Any = value_field(field)
    kind = target.get_internal_type()
    if kind == "GeneratedField":
        return converters(target.output_field)
    if isinstance(target, FileField) and not hasattr(target, "from_db_value"):
        # A subclass's too: its descriptor makes the file of the name.
        return lambda value: value.name if hasattr(value, "name") else value, same
    if type(target).__module__.startswith(("django.db.models.", "django.contrib.postgres.")):
        if kind in _CONVERTERS:
            return _CONVERTERS[kind]
        if kind == "ArrayField":
            return _array(*converters(target.base_field))
        if hasattr(target, "range_type"):
            return _range(target.range_type, *converters(target.base_field))
    return lambda value: _dump(target, value), lambda kept: _load(target, kept)


def describe(field: Field[Any, Any]) -> str:
    """The field's type, that of a field that it is made of, its expression: for the fingerprint."""
    made_of = [
        getattr(field, name, None) for name in ("target_field", "output_field", "base_field")
    ]
    inner = [describe(part) for part in made_of if isinstance(part, Field) and part is not field]
    decoder = getattr(field, "decoder", None)
    kinds = [type(field), *([decoder] if isinstance(decoder, type) else [])]
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in kinds]
    if (expression := getattr(field, "expression", None)) is not None:
        inner.append(_ADDRESS.sub("", repr(expression)))
    return f"{','.join(names)}({','.join(inner)})" if inner else ",".join(names)


def _array(dump: Convert, load: Convert) -> Pair:
    if dump is same and load is same:
        return list, same

    def each(convert: Convert) -> Convert:
        return lambda items: [None if item is None else convert(item) for item in items]

    return each(dump), same if load is same else each(load)


def _range(kind: type[Any], dump: Convert, load: Convert) -> Pair:
    def end(convert: Convert, value: Any) -> Any:
        return None if value is None else convert(value)

    def write(value: Any) -> list[Any]:
        if value.isempty:
            return []
        return [end(dump, value.lower), end(dump, value.upper), value.bounds]

    def read(kept: list[Any]) -> Any:
        if not kept:
            return kind(empty=True)
        lower, upper, bounds = kept
        return kind(end(load, lower), end(load, upper), bounds)

    return write, read


# How the value of any other field is kept.
_VALUE, _RANGES, _JSON, _COLUMN, _SAVED, _TEXT = (
    "value", "ranges", "json", "column", "saved", "text",
)  # fmt: skip


def _dump(field: Any, value: Any) -> list[Any]:
    for way in (_VALUE, _RANGES, _JSON, _COLUMN, _SAVED, _TEXT):
        try:
            kept = _keep(field, value, way)
            again = _load(field, orjson.loads(orjson.dumps(kept)))
            if _alike(again, value, field) or (way == _COLUMN and _described(field, again, value)):
                return kept
        except Exception:  # noqa: BLE001 - the field's own code, asked for what it need not do
            continue
    raise Unserializable(
        str(field),
        type(value).__name__,
        "neither its get_prep_value and from_db_value, nor its value_to_string and to_python, "
        "give an equal value of the same type back",
    )


def _keep(field: Any, value: Any, way: str) -> list[Any]:
    if way == _JSON:  # by the field's own encoder and decoder
        return [way, json.dumps(value, cls=field.encoder)]
    if way == _TEXT:
        holder = _Holder()
        setattr(holder, field.attname, value)
        return [way, field.value_to_string(holder)]
    if way == _RANGES:
        value = range_values.pack(value)
    elif way == _COLUMN:
        value = field.get_prep_value(value)
    elif way == _SAVED:
        value = field.get_db_prep_save(value, connections[settings.DATABASE])
    encoded = encoding.encode(value)
    shape = None if encoded.shape is None else orjson.loads(encoded.shape)
    return [way, orjson.loads(encoded.body), shape]


def _load(field: Any, kept: list[Any]) -> Any:
    way, body, *shape = kept
    if way == _JSON:
        return json.loads(body, cls=field.decoder)
    if way == _TEXT:
        return field.to_python(body)
    if shape[0] is not None:
        body = encoding.reader_of(orjson.dumps(shape[0]))(body)
    if way == _RANGES:
        return range_values.unpack(body)
    if way in (_COLUMN, _SAVED) and hasattr(field, "from_db_value"):
        return field.from_db_value(body, field.get_col(None), connections[settings.DATABASE])
    return body


def _described(field: Any, again: Any, value: Any) -> bool:
    """Whether a descriptor of the project's has made the value, of the column's, in the row.

    It has where something reads it when an instance is made; of what is loaded it makes it again.
    """
    attribute = getattr_static(getattr(field, "model", None), field.attname, None)
    own = hasattr(attribute, "__get__") and not type(attribute).__module__.startswith("django.db.")
    return own and bool(field.get_prep_value(again) == field.get_prep_value(value))


def _alike(one: Any, other: Any, field: Any) -> bool:
    """Whether two values are equal, and of the same types all through."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_alike(one[k], other[k], field) for k in one)
    if isinstance(one, list | tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_alike(a, b, field) for a, b in pairs)
    by_identity: Any = object.__eq__
    if type(one).__eq__ is by_identity:  # a class that does not say when two are equal
        return bool(field.get_prep_value(one) == field.get_prep_value(other))
    return bool(one == other)


class _Holder:
    """Something that has one attribute, for Field.value_to_string."""
