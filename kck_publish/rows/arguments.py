"""The arguments of a cached method, as parameters of its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..products import encoding
from ..products.parameters import Parameter


@dataclass(frozen=True)
class ArgumentParameter(Parameter):
    """An argument of a cached method: anything small that can be stored."""

    takes = "a value that can be stored"

    def clean(self, value: Any) -> Any:
        return value

    def to_text(self, value: Any) -> str:
        body, shape = encoding.encode(value)
        return body.decode() + ("" if shape is None else "\n" + shape.decode())

    def from_text(self, text: str) -> Any:
        body, _, shape = text.partition("\n")
        return encoding.decode(body.encode(), shape.encode() or None)
