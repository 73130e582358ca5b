"""Keys: product name + typed parameters <-> key text. Pure; imports only the errors.

A key is the product's name and one text per parameter, joined by `/`:

    author_page/7        boards/2024-01-31/JFK        all_authors

The same value always gives the same text (7 and "7", an instant in any zone), so one product
has one key. `/`, `%`, `~` and control characters inside a text are percent-encoded; None is a
lone `~`. Text is taken as it is: no case folding, no Unicode normalisation. Stores file a value
under `identify(key)`, so keys may be of any length.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

from ..exceptions import InvalidPrimer, KeyParameterMismatch

# Names that Depends and augment use for themselves, and `self` of compute.
RESERVED = frozenset({"keys", "columns", "reads", "value", "change", "self"})

_NULL = "~"
_ESCAPES = r"/%~\x00-\x1f\x7f-\x9f"
_UNSAFE = re.compile(rf"[{_ESCAPES}]")
_UNSAFE_OR_LONE = re.compile(rf"[{_ESCAPES}\ud800-\udfff]")
_ESCAPED = re.compile(r"(?:%[0-9A-F]{2})+")
_NAME = re.compile(r"[\w.\-:,\[\]]+")
_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
# Python reads and writes digits up to a limit (sys.set_int_max_str_digits, 640 at least).
_BITS, _DIGITS = 2048, 618
_UUID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATETIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d(:\d\d)?)?",
    re.ASCII,
)


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

    # What the parameter takes, for messages.
    takes = "a value"

    @property
    def plain(self) -> type[Any] | None:
        """The type whose values are their own text, if there is one, and they are ``is_plain``."""
        return _PLAIN.get(type(self))  # a subclass may do anything

    def __post_init__(self) -> None:
        name = self.name
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise InvalidPrimer(
                f"{name!r} cannot be a parameter: use a Python identifier, as it becomes an "
                "argument of compute()."
            )
        if name in RESERVED:
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

    def refuse(self, value: object) -> KeyParameterMismatch:
        """The error to raise for a value that does not fit."""
        null = " or None" if self.null else ""
        return KeyParameterMismatch(
            f"parameter {self.name!r} takes {self.takes}{null}, "
            f"not {_short(value)} ({type(value).__name__})."
        )


class StringParameter(Parameter):
    """Text, as it is."""

    takes = "a str"

    def clean(self, value: Any) -> str:
        if type(value) is str:
            return value
        if isinstance(value, str):
            return str.__str__(value)  # the text of an enum member or safe string
        raise self.refuse(value)


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
            if number.bit_length() <= _BITS:
                return number
        raise self.refuse(value)


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
                found = date.fromisoformat(value)
                if found.isoformat() == value:
                    return found
        raise self.refuse(value)

    def to_text(self, value: date) -> str:
        return value.isoformat()


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


def build(product: str, parameters: Sequence[Parameter], values: Mapping[str, Any]) -> str:
    """The key of a product with these values. Raises KeyParameterMismatch."""
    if len(values) != len(parameters):
        raise _names_differ(product, parameters, values)
    parts = [product]
    for parameter in parameters:
        try:
            value = values[parameter.name]
        except KeyError:
            raise _names_differ(product, parameters, values) from None
        if value is None:
            if not parameter.null:
                raise _about(product, parameter.refuse(None))
            parts.append(_NULL)
            continue
        try:
            text = parameter.to_text(parameter.clean(value))
        except KeyParameterMismatch as error:
            raise _about(product, error) from None
        except (TypeError, ValueError) as error:
            raise _about(product, parameter.refuse(value)) from error
        parts.append(text if text.isalnum() else _escape(text, product, parameter))
    return "/".join(parts)


def is_plain(value: Any) -> bool:
    """Whether a value of a parameter's ``plain`` type stands in a key as it is."""
    if type(value) is str:
        return value.isalnum() or _UNSAFE_OR_LONE.search(value) is None
    return type(value) is not int or value.bit_length() <= _BITS


def split(key: str) -> tuple[str, tuple[str | None, ...]]:
    """The product's name and the parameters' texts. Raises KeyParameterMismatch."""
    product, *texts = key.split("/")
    return product, tuple(None if text == _NULL else _unescape(text, key) for text in texts)


def parse(key: str, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The typed values by name; the inverse of `build`. Raises KeyParameterMismatch."""
    product, texts = split(key)
    if len(texts) != len(parameters):
        expected = ", ".join(parameter.name for parameter in parameters) or "no parameters"
        raise KeyParameterMismatch(
            f"the key {_short(key)} has {len(texts)} parameter(s), expected {expected}.", product
        )
    values: dict[str, Any] = {}
    for parameter, text in zip(parameters, texts, strict=True):
        try:
            values[parameter.name] = None if text is None else parameter.from_text(text)
        except KeyParameterMismatch as error:
            raise _about(product, error) from None
        except (TypeError, ValueError) as error:
            raise _about(product, parameter.refuse(text)) from error
    canonical = build(product, parameters, values)
    if canonical != key:  # two texts for one product would be two entries in the store
        raise KeyParameterMismatch(f"write the key as {canonical!r}, not {_short(key)}.", product)
    return values


def product_of(key: str) -> str:
    """The name of the product a key belongs to."""
    return key.partition("/")[0]


def identify(key: str) -> str:
    """What stands for the key in a store, as 32 hexadecimal digits: the same in every version."""
    try:
        return blake2b(key.encode(), digest_size=16).hexdigest()
    except UnicodeEncodeError:
        raise KeyParameterMismatch(f"the key {_short(key)} holds a lone surrogate.") from None


def bucket_of(key: str) -> int:
    """The key's place in the key space, 0 to 65535: what the store's rows are found by."""
    return int(identify(key)[-4:], 16)


def shard_of(key: str, shards: int) -> int:
    """The shard, 0 to shards - 1, that a key belongs to; in SQL it is ``bucket % shards``."""
    return bucket_of(key) % shards


def check_name(name: str) -> str:
    """The product's name if it can be one, else InvalidPrimer."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise InvalidPrimer(
        f"{name!r} cannot be a product's name: use letters, digits and any of _ . - : , [ ]"
    )


def check_parameters(product: str, parameters: Sequence[Parameter]) -> tuple[Parameter, ...]:
    """The parameters if all are Parameters with names of their own, else InvalidPrimer."""
    seen: set[str] = set()
    for parameter in parameters:
        if not isinstance(parameter, Parameter):
            raise InvalidPrimer(
                f"{product}: parameters takes Parameter objects such as "
                f'IntegerParameter("author"), not {_short(parameter)}.'
            )
        if parameter.name in seen:
            raise InvalidPrimer(f"{product}: two parameters are called {parameter.name!r}.")
        seen.add(parameter.name)
    return tuple(parameters)


def parse_pattern(pattern: str) -> tuple[str, list[Parameter]]:
    """`"top_authors/<int:limit>"` as name and parameters. Raises InvalidPrimer."""
    if not isinstance(pattern, str):
        raise InvalidPrimer(f"{pattern!r} is no pattern: use text such as 'top/<int:limit>'.")
    name, *places = pattern.split("/")
    check_name(name)
    parameters: list[Parameter] = []
    for place in places:
        if not (place.startswith("<") and place.endswith(">")):
            raise InvalidPrimer(
                f"{pattern!r}: after the name each part is <parameter> or <type:parameter>, "
                f"not {place!r}."
            )
        kind, colon, parameter = place[1:-1].rpartition(":")
        converter = CONVERTERS.get(kind if colon else "str")
        if converter is None:
            raise InvalidPrimer(
                f"{pattern!r}: there is no type {kind!r}; use one of {', '.join(CONVERTERS)}."
            )
        parameters.append(converter(parameter))
    check_parameters(name, parameters)
    return name, parameters


def _escape(text: str, product: str, parameter: Parameter) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _about(product, parameter.refuse(text)) from None
    return _UNSAFE.sub(lambda found: _percent(found[0]), text)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _unescape(text: str, key: str) -> str:
    if not _UNSAFE.search(text):
        return text
    try:
        plain = _ESCAPED.sub(lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), text)
    except UnicodeDecodeError:
        plain = ""
    if _UNSAFE.sub(lambda found: _percent(found[0]), plain) != text:
        raise KeyParameterMismatch(
            f"{text!r} is not escaped as a key's parameter is; make keys with build_key().",
            product_of(key),
        )
    return plain


def _names_differ(
    product: str, parameters: Sequence[Parameter], values: Mapping[str, Any]
) -> KeyParameterMismatch:
    expected = ", ".join(parameter.name for parameter in parameters) or "no parameters"
    got = ", ".join(map(str, values)) or "none"
    return KeyParameterMismatch(f"expected {expected}; got {got}.", product)


def _about(product: str, error: KeyParameterMismatch) -> KeyParameterMismatch:
    return KeyParameterMismatch(error.problem, product)


def _short(value: object) -> str:
    try:
        text = ascii(value)
    except ValueError:  # an integer with more digits than Python writes
        text = "a huge number"
    return text if len(text) <= 100 else text[:97] + "..."
