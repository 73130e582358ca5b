"""Whether a column's values fit a parameter that is mapped from it. Pure.

A parameter of text takes the values whose text is the same everywhere (a UUID, an integer, a date).
What no value of the column could be is refused where it is declared: DateParameter of a
DateTimeField, whose day depends on a time zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Field, IntegerField

from ..exceptions import InvalidPrimer, KeyParameterMismatch
from .columns import value_field
from .parameters import CONVERTERS, Parameter, StringParameter
from .read_back import has_several_texts, text_of

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


# Of these a value is several, or equal to others that Python tells from it.
_CONTAINERS = ("JSONField", "ArrayField", "HStoreField", "SearchVectorField")


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
    target = value_field(field)
    kind = target.get_internal_type()
    if type(parameter).__module__.split(".")[0] == "kck_publish":  # one's own may write a text
        check_text(product, target)
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


def check_text(product: str, field: Field[Any, Any]) -> None:
    """Refuse a column as a lookup whose values no text tells apart.

    Raises:
        InvalidPrimer: it is one.
    """
    target: Any = getattr(field, "output_field", field)  # of a GeneratedField
    if target.get_internal_type() in _CONTAINERS or hasattr(target, "range_type"):
        raise InvalidPrimer(
            f"{product}: {field} is a {type(target).__name__}, and a key is a text: no text tells "
            "its values apart as the database does. Look up by a column of one plain value, or "
            "write a Primer whose keys= says which keys a changed row touches."
        )


@dataclass(frozen=True)
class ColumnText(StringParameter):
    """A parameter of text that is mapped from columns: one text for each value of theirs."""

    columns: tuple[Field[Any, Any], ...] = ()

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        texts = {text_of(column, text) for column in self.columns}
        return texts.pop() if len(texts) == 1 else text


def told_by(parameter: Parameter, columns: Iterable[Field[Any, Any]]) -> Parameter:
    """The parameter as the columns have it that it is mapped from."""
    targets = tuple(dict.fromkeys(map(value_field, columns)))
    several = bool(targets) and all(map(has_several_texts, targets))
    if not several or type(parameter) is not StringParameter:
        return parameter
    return ColumnText(parameter.name, null=parameter.null, columns=targets)
