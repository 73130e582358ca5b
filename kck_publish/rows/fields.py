"""A model's fields as parameters of keys: what a field takes, and the text that it writes."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import uuid
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_ipv46_address
from django.db.models import (
    CharField,
    Field,
    FileField,
    IntegerField,
    Model,
    TextField,
    UUIDField,
)
from django.utils.timezone import is_naive

from ..products.columns import value_field
from ..products.equal_numbers import fits_numeric, plain_decimal, plain_float
from ..products.parameters import Parameter
from ..products.read_back import has_own_form, read_back

# By how a field reads them: values that it gives back as they are.
_PLAIN: Mapping[Any, type[Any]] = {
    IntegerField.to_python: int,
    CharField.to_python: str,
    TextField.to_python: str,
    UUIDField.to_python: uuid.UUID,
}


@dataclasses.dataclass(frozen=True)
class FieldParameter(Parameter):
    """A parameter that takes what a model's field takes, and writes it in one way only."""

    source: Field[Any, Any] = dataclasses.field(kw_only=True)
    reserved = frozenset()  # no compute() has it as an argument

    @property
    def takes(self) -> str:  # type: ignore[override]
        return f"a value of {self.source}"

    @cached_property
    def _field(self) -> Field[Any, Any]:
        """The field that reads the values: of a generated column, that of its expression."""
        return getattr(self.source, "output_field", self.source)

    @cached_property
    def _has_own_form(self) -> bool:
        return has_own_form(self._field)

    @property
    def plain(self) -> type[Any] | None:
        return None if self._has_own_form else _PLAIN.get(type(self._field).to_python)

    def clean(self, value: Any) -> Any:
        if isinstance(value, Model | list | tuple | dict | set) and self._is_text:
            raise self.refuse(value)
        if value == "" and not self._is_text:  # which DurationField takes for 0
            raise self.refuse(value)
        try:
            cleaned = self._field.to_python(value)
            if self._has_own_form:
                cleaned = read_back(self._field, cleaned)
            if self._field.get_internal_type() == "GenericIPAddressField":
                validate_ipv46_address(cleaned)  # own validators are asked by forms, not by rows
                if isinstance(value, str) and value != value.strip():
                    raise self.refuse(value)  # as the database does
        except (ValidationError, OverflowError):
            raise self.refuse(value) from None
        if cleaned is None or (isinstance(cleaned, str) and "\0" in cleaned):
            raise self.refuse(value)
        if isinstance(cleaned, str):
            cleaned = str.__str__(cleaned)  # the text of an enum member, as the ORM sends it
        if isinstance(cleaned, decimal.Decimal):
            if not fits_numeric(cleaned):
                raise self.refuse(value)
            cleaned = plain_decimal(cleaned)
        if isinstance(cleaned, float):
            cleaned = plain_float(cleaned)
        if isinstance(cleaned, datetime.datetime) and settings.USE_TZ and is_naive(cleaned):
            cleaned = self._field.get_prep_value(cleaned)  # warns, and takes it as the ORM does
        if isinstance(cleaned, datetime.datetime) and cleaned.utcoffset() is not None:
            try:
                cleaned = cleaned.astimezone(datetime.UTC)
            except OverflowError:  # before the year 1 there, or after 9999
                raise self.refuse(value) from None
        return cleaned

    def may_exist(self, value: Any) -> bool:
        try:
            self.source.run_validators(value)  # max_length and range are among them
        except ValidationError:
            return False
        return True

    @property
    def _is_text(self) -> bool:
        return isinstance(self._field, CharField | TextField | FileField)

    def to_text(self, value: Any) -> str:
        if isinstance(value, datetime.datetime | datetime.date | datetime.time):
            return value.isoformat()
        if isinstance(value, decimal.Decimal):
            return format(value, "f")
        if isinstance(value, bytes | memoryview):
            return bytes(value).hex()
        return str(value)

    def from_text(self, text: str) -> Any:
        if self._field.get_internal_type() == "BinaryField":
            return bytes.fromhex(text)
        return self.clean(text)


def lookup_field(model: type[Model], name: str) -> Field[Any, Any]:
    """The field of a lookup, given by name, attname, or ``pk`` for a single primary key."""
    if name == "pk" and len(model._meta.pk_fields) == 1:
        return model._meta.pk_fields[0]
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname):
            return field
    raise KeyError(name)


def field_parameter(field: Field[Any, Any], name: str = "", null: bool = False) -> FieldParameter:
    """The parameter that takes what a field takes, under its attname if not another name."""
    return FieldParameter(name or field.attname, null=null, source=value_field(field))


def takes_null(field: Field[Any, Any]) -> bool:
    """Whether rows may have None in a field: not where it reads a NULL as something else."""
    return (field.null or field.generated) and read_back(field, None) is None


def pk_parameters(model: type[Model]) -> list[FieldParameter]:
    """The parameters of a row's primary key: ``pk``, or its fields when it is composite."""
    fields = list(model._meta.pk_fields)
    return [field_parameter(field, "pk" if len(fields) == 1 else "") for field in fields]
