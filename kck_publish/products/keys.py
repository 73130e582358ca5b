"""Key text <-> product name and typed parameters.

A key is the product's name and one text per parameter, joined by `/`:

    author_page/7        boards/2024-01-31/JFK        all_authors

`/`, `%`, `~` and control characters inside a text are percent-encoded; None is a lone `~`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..exceptions import InvalidPrimer, KeyParameterMismatch
from ..log.keys import product_of, shorten
from .parameters import CONVERTERS, LARGEST_BITS, Parameter, check_parameters

_NULL = "~"
_ESCAPES = r"/%~\x00-\x1f\x7f-\x9f"
_UNSAFE = re.compile(rf"[{_ESCAPES}]")
_UNSAFE_OR_LONE = re.compile(rf"[{_ESCAPES}\ud800-\udfff]")
_ESCAPED = re.compile(r"(?:%[0-9A-F]{2})+")
_NAME = re.compile(r"[\w.\-:,\[\]]+")


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
    return type(value) is not int or value.bit_length() <= LARGEST_BITS


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
            f"the key {shorten(key)} has {len(texts)} parameter(s), expected {expected}.", product
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
        raise KeyParameterMismatch(f"write the key as {canonical!r}, not {shorten(key)}.", product)
    return values


def check_name(name: str) -> str:
    """The product's name if it can be one, else InvalidPrimer."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise InvalidPrimer(
        f"{name!r} cannot be a product's name: use letters, digits and any of _ . - : , [ ]"
    )


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
    return _UNSAFE.sub(lambda match: _percent(match[0]), text)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _unescape(text: str, key: str) -> str:
    if not _UNSAFE.search(text):
        return text
    try:
        plain = _ESCAPED.sub(lambda match: bytes.fromhex(match[0].replace("%", "")).decode(), text)
    except UnicodeDecodeError:
        plain = ""
    if _UNSAFE.sub(lambda match: _percent(match[0]), plain) != text:
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
