"""The parameters of keys: which values one takes, and the text that it writes for each.

The same value always gives the same text (7 and "7", an instant in any zone), so that one product
has one key. Text is taken as it is: no case folding, no Unicode normalisation.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from uuid import UUID

from ..exceptions import InvalidPrimer, KeyParameterMismatch
from ..log.keys import shorten
from ..public_names import public_in

# Names that Depends and augment use for themselves, and `self` of compute.
RESERVED = frozenset({"keys", "columns", "reads", "value", "change", "self"})

_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
# Python reads and writes digits up to a limit (sys.set_int_max_str_digits, 640 at least).
LARGEST_BITS, _DIGITS = 2048, 618
_UUID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATETIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d(:\d\d)?)?",
    re.ASCII,
)


@public_in("kck_publish")
@dataclass(frozen=True)
class Parameter:
    """One typed parameter of a key. Subclass it to teach keys another type.

    `null=True` lets None through (written `~`). A subclass gives `clean` and, where str() and
    `clean` do not do, `to_text` and `from_text`. ValueError and TypeError raised in them are
    reported as KeyParameterMismatch.

    Raises InvalidPrimer for a name that is no identifier, or reserved.
    """

    name: str
    null: bool = field(default=False, kw_only=True)

    # Names that it may not have.
    reserved: ClassVar[frozenset[str]] = RESERVED
    # What the parameter takes, for messages.
    takes = "a value"

    @property
    def plain(self) -> type[Any] | None:
        """The type of values that ``keys.is_plain`` may find to be their own text, if any."""
        return _PLAIN.get(type(self))  # a subclass may do anything

    def __post_init__(self) -> None:
        name = self.name
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise InvalidPrimer(
                f"{name!r} cannot be a parameter: use a Python identifier, as it becomes an "
                "argument of compute()."
            )
        if name in self.reserved:
            raise InvalidPrimer(
                f"{name!r} cannot be a parameter: {', '.join(sorted(RESERVED))} have a meaning "
                "of their own in Depends and augment. Choose another name."
            )

    def clean(self, value: Any) -> Any:
        """The canonical typed value, or KeyParameterMismatch. None never gets here."""
        raise NotImplementedError

    def to_text(self, value: Any) -> str:
        """The text of a cleaned value; equal values must give equal texts."""
        return str(value)

    def from_text(self, text: str) -> Any:
        """The cleaned value of a text that `to_text` made, or KeyParameterMismatch."""
        return self.clean(text)

    def may_exist(self, value: Any) -> bool:
        """Whether anything can be under a cleaned value: else "there is none" is not stored."""
        return True

    def refuse(self, value: object) -> KeyParameterMismatch:
        """The error to raise for a value that does not fit."""
        null = " or None" if self.null else ""
        return KeyParameterMismatch(
            f"parameter {self.name!r} takes {self.takes}{null}, "
            f"not {shorten(value)} ({type(value).__name__})."
        )


@public_in("kck_publish")
class StringParameter(Parameter):
    """Text, as it is."""

    takes = "a str"

    def clean(self, value: Any) -> str:
        if type(value) is str:
            return value
        if isinstance(value, str):
            return str.__str__(value)  # the text of an enum member or safe string
        raise self.refuse(value)


@public_in("kck_publish")
class IntegerParameter(Parameter):
    """An integer, or its digits as a URL gives them: "7", but not "007", True or 7.0."""

    takes = 'an integer, or its plain digits such as "7"'

    def clean(self, value: Any) -> int:
        if isinstance(value, str):
            if len(value) > _DIGITS or not _INTEGER.fullmatch(value):
                raise self.refuse(value)
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            number = int(value)
            if number.bit_length() <= LARGEST_BITS:
                return number
        raise self.refuse(value)


@public_in("kck_publish")
class BooleanParameter(Parameter):
    """True or False; as text `true` and `false`."""

    takes = 'True, False, "true" or "false"'

    def clean(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in ("true", "false"):
            return value == "true"
        raise self.refuse(value)

    def to_text(self, value: bool) -> str:
        return "true" if value else "false"


@public_in("kck_publish")
class DateParameter(Parameter):
    """A date (not a datetime), or its ISO text `2024-01-31`."""

    takes = 'a date, or its text such as "2024-01-31"'

    def clean(self, value: Any) -> date:
        if isinstance(value, datetime):
            raise self.refuse(value)
        if isinstance(value, date):
            return value
        if isinstance(value, str):
            # fromisoformat also reads 20240131 and 2024-W05-3: only one text is canonical.
            with suppress(ValueError):
                parsed = date.fromisoformat(value)
                if parsed.isoformat() == value:
                    return parsed
        raise self.refuse(value)

    def to_text(self, value: date) -> str:
        return value.isoformat()


@public_in("kck_publish")
class DateTimeParameter(Parameter):
    """A datetime, to the microsecond. Aware ones become UTC (`...Z`), naive ones stay naive."""

    takes = 'a datetime, or its ISO text such as "2024-01-31T12:00:00Z"'

    def clean(self, value: Any) -> datetime:
        if isinstance(value, str):
            # fromisoformat would drop what is beyond the microsecond.
            if not _DATETIME.fullmatch(value):
                raise self.refuse(value)
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise self.refuse(value) from None
        if not isinstance(value, datetime):
            raise self.refuse(value)
        if value.utcoffset() is None:
            return value.replace(tzinfo=None, fold=0)
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise self.refuse(value) from None

    def to_text(self, value: datetime) -> str:
        text = value.isoformat()
        return text if value.tzinfo is None else text[: -len("+00:00")] + "Z"


@public_in("kck_publish")
class UUIDParameter(Parameter):
    """A UUID, or its 32 hexadecimal digits with or without hyphens."""

    takes = "a UUID, or its text"

    def clean(self, value: Any) -> UUID:
        if isinstance(value, UUID):
            return value
        if isinstance(value, str) and _UUID.fullmatch(value):
            return UUID(value)
        raise self.refuse(value)


_PLAIN: Mapping[type[Parameter], type[Any]] = {
    StringParameter: str,
    IntegerParameter: int,
    UUIDParameter: UUID,
}
# What `<int:limit>` in a pattern stands for, as in Django's URL patterns.
CONVERTERS: Mapping[str, type[Parameter]] = {
    "str": StringParameter,
    "slug": StringParameter,
    "int": IntegerParameter,
    "bool": BooleanParameter,
    "date": DateParameter,
    "datetime": DateTimeParameter,
    "uuid": UUIDParameter,
}


def form_of(parameters: Sequence[Parameter]) -> tuple[str, ...]:
    """Tells the keys of several parameters from those of others, for the fingerprint.

    Their order is told by nothing else. Of one there is no order, and another one has another
    compute, whose author gives the product a version: what 0.1.0 has stored is served on.
    """
    if len(parameters) < 2:
        return ()
    return tuple(f"{type(one).__qualname__} {one.name} {one.null}" for one in parameters)


def check_parameters(product: str, parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """The parameters if all are Parameters with names of their own, else InvalidPrimer."""
    seen: set[str] = set()
    for parameter in parameters:
        if not isinstance(parameter, Parameter):
            raise InvalidPrimer(
                f"{product}: parameters takes Parameter objects such as "
                f'IntegerParameter("author"), not {shorten(parameter)}.'
            )
        if parameter.name in seen:
            raise InvalidPrimer(f"{product}: two parameters are called {parameter.name!r}.")
        seen.add(parameter.name)
    return tuple(parameters)
