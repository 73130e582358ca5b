"""A model instance <-> a JSON list of its column values, compiled once a model.

What comes back equals ``objects.get()`` field by field and type by type. Used by ``rows``.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import math
import uuid
from collections.abc import Callable
from functools import cached_property
from typing import Any

import orjson
from django.db.models import Field, Model
from django.db.models.base import ModelState
from django.db.models.signals import post_init, pre_init

from . import encoding
from .exceptions import Unserializable

Convert = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


# By Django's internal type: to what JSON holds, and back. None passes by both.
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
]
_CONVERTERS: dict[str, tuple[Convert, Convert]] = {
    **dict.fromkeys(_PLAIN, (_same, _same)),
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
        lambda value: memoryview(base64.b64decode(value)),
    ),
}


class Codec:
    """The bytes of one model's instances."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.fields: list[Field[Any, Any]] = list(model._meta.concrete_fields)
        self.names = [field.attname for field in self.fields]
        pairs = [_converters(field) for field in self.fields]
        self._dump = [(name, dump) for name, (dump, _) in zip(self.names, pairs, strict=True)]
        self._load = [(index, load) for index, (_, load) in enumerate(pairs) if load is not _same]

    @cached_property
    def description(self) -> str:
        """What the fingerprint is made of: the names and types of the columns, in order."""
        return ";".join(
            f"{field.attname}={type(field).__module__}.{type(field).__qualname__}"
            for field in self.fields
        )

    def values(self, instance: Model) -> list[Any]:
        """The JSON values of a row."""
        row = instance.__dict__
        return [
            None
            if (value := row[name] if name in row else getattr(instance, name)) is None
            else dump(value)
            for name, dump in self._dump
        ]

    def dump(self, instance: Model) -> bytes:
        """The stored bytes of one row."""
        return orjson.dumps(self.values(instance))

    def instance(self, values: list[Any], alias: str) -> Model:
        """A fresh instance, as if read from that database. The list is used up."""
        for index, load in self._load:
            if values[index] is not None:
                values[index] = load(values[index])
        if self.bare and not (pre_init.has_listeners(self.model) or self._post_init):
            instance = self.model.__new__(self.model)
            instance.__dict__.update(zip(self.names, values, strict=True))
            state = instance.__dict__["_state"] = ModelState()
            state.adding = False
            state.db = alias
            return instance
        return self.model.from_db(alias, self.names, values)

    @property
    def _post_init(self) -> bool:
        return bool(post_init.has_listeners(self.model))

    @cached_property
    def bare(self) -> bool:
        """Whether nothing of the model's wants to see the building of an instance."""
        model = self.model
        return (
            model.__init__ is Model.__init__
            and model.__new__ is Model.__new__
            and model.from_db.__func__ is Model.from_db.__func__  # type: ignore[attr-defined]
            and "__setattr__" not in {name for one in model.__mro__[:-1] for name in vars(one)}
        )


def _converters(field: Field[Any, Any]) -> tuple[Convert, Convert]:
    target = field
    while target.remote_field is not None and hasattr(target, "target_field"):
        target = target.target_field
    own = type(target).__module__.startswith("django.db.models.")
    kind = target.get_internal_type()
    if kind == "GeneratedField":
        return _converters(target.output_field)  # type: ignore[attr-defined]
    if own and kind == "FileField":
        return lambda value: value.name if hasattr(value, "name") else value, _same
    if own and kind in _CONVERTERS:
        return _CONVERTERS[kind]
    return lambda value: _tagged(field, value), lambda value: _untagged(field, value)


def _tagged(field: Field[Any, Any], value: Any) -> list[Any]:
    """Any other type: as the value's own type if that can be kept, else by the field's text."""
    try:
        encoded = encoding.encode(value)
    except Unserializable:
        holder = _Holder()
        setattr(holder, field.attname, value)
        return [field.value_to_string(holder)]  # type: ignore[arg-type]
    shape = None if encoded.shape is None else orjson.Fragment(encoded.shape)
    return [orjson.Fragment(encoded.body), shape]


def _untagged(field: Field[Any, Any], value: list[Any]) -> Any:
    if len(value) == 1:
        return field.to_python(value[0])
    body, shape = value
    return encoding.decode(orjson.dumps(body), None if shape is None else orjson.dumps(shape))


class _Holder:
    """Something that has one attribute, for Field.value_to_string."""
