"""Whether a column's values fit a parameter that is mapped from it. Pure.

A parameter of text takes the values whose text is the same everywhere (a UUID, an integer, a date).
What no value of the column could be is refused where it is declared: DateParameter of a
DateTimeField, whose day depends on a time zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Field, IntegerField

from ..exceptions import InvalidPrimer, KeyParameterMismatch
from .parameters import CONVERTERS, Parameter, StringParameter

# Of each kind of column a value; of text there is none that stands for all.
_SAMPLES: Mapping[str, Any] = {
    "UUIDField": UUID(int=1),
    "DateTimeField": datetime(2024, 1, 31, 12, tzinfo=UTC),
    "DateField": date(2024, 1, 31),
    "TimeField": time(12),
    "DurationField": timedelta(1),
    "BooleanField": True,
    "DecimalField": Decimal("1.5"),
    "FloatField": 1.5,
    "BinaryField": b"1",
    "IntegerField": 1,
}


def fitted(parameter: Parameter, value: Any) -> Any:
    """A column's value as the parameter takes it, where it would not and its text is plain."""
    if type(value) in (UUID, int, date) and isinstance(parameter, StringParameter):
        return str(value)
    return value


def fit(parameters: Sequence[Parameter], target: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters of a target, perhaps only some of them, as they are taken."""
    names = {parameter.name: parameter for parameter in parameters}
    return {
        name: fitted(names[name], value) if name in names else value
        for name, value in target.items()
    }


def check_fit(product: str, parameter: Parameter, field: Field[Any, Any]) -> None:
    """Refuse a mapping that cannot work.

    Raises:
        InvalidPrimer: the parameter takes no value of the column. Of types of the project's own,
            and of text, that is not known.
    """
    target: Any = field
    while target.remote_field is not None and hasattr(target, "target_field"):
        target = target.target_field
    kind = target.get_internal_type()
    sample = _SAMPLES.get("IntegerField" if isinstance(target, IntegerField) else kind)
    if sample is None or type(parameter) not in CONVERTERS.values():
        return
    try:
        parameter.clean(fitted(parameter, sample))
    except KeyParameterMismatch:
        raise InvalidPrimer(
            f"{product}: parameter {parameter.name!r} takes {parameter.takes}, and {field} is a "
            f"{kind}, whose values are none. Declare the parameter with the "
            "column's type, or say by keys= which keys a changed row touches."
        ) from None
