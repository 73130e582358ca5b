"""psycopg's placeholders in a statement, and the server's in their place."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from psycopg.adapt import PyFormat

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?(.)", re.DOTALL)
_FORMATS = {"s": PyFormat.AUTO, "b": PyFormat.BINARY, "t": PyFormat.TEXT}


class Translated(NamedTuple):
    """A statement as the server reads it, and its parameters' formats and names."""

    text: bytes
    formats: list[PyFormat]
    names: tuple[str, ...]


@lru_cache(maxsize=512)
def translated(text: str, encoding: str, has_parameters: bool) -> Translated:
    """A statement with the server's placeholders in place of psycopg's, as %s and %(name)s.

    Without parameters a % stands for itself, as for psycopg's cursors.
    """
    formats: list[PyFormat] = []
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name, kind = found.groups()
        if kind == "%" and name is None:
            return "%"
        place = names.get(name) if name else None
        if place is None:
            formats.append(_FORMATS[kind])
            place = len(formats)
            if name:
                names[name] = place
        return f"${place}"

    if has_parameters:
        text = _PLACEHOLDER.sub(number, text)
    return Translated(text.encode(encoding), formats, tuple(names))
