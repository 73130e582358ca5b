"""Fetching: the answers of a remote source, and the checks that its kinds share.

A fetch is conditional: it hands over the state that the source gave with its last answer (an ETag,
a time of change), and the source may answer that its data is unchanged.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic

from ..exceptions import FetchFailed, InvalidPrimer
from ..products.value_types import AnyValue
from ..public_names import public_in

_CHUNK = 64 * 1024


class Unchanged:
    """The answer of a source that what it gave last time still holds."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = Unchanged()


@public_in("kck_publish")
@dataclass(frozen=True)
class Fetched(Generic[AnyValue]):
    """The answer of a source.

    Attributes:
        data: the bytes; of an own ``fetch``: the value.
        state: what to hand over at the next fetch, as JSON can hold it; {} to fetch it whole.
    """

    data: AnyValue
    state: Mapping[str, Any] = field(default_factory=dict)


def read_limited(source: Any, most: int, where: str) -> bytes:
    """Everything, but no more than so much."""
    take = getattr(source, "read1", source.read)
    data = bytearray()
    while chunk := take(_CHUNK):
        data += chunk
        if len(data) > most:
            raise FetchFailed(where, f"more than {most} bytes")
    if getattr(source, "length", None):
        raise FetchFailed(where, "an answer that was cut off")
    return bytes(data)


def check_limits(name: str, timeout: object, max_bytes: object) -> None:
    for limit in (timeout, max_bytes):
        if (
            isinstance(limit, bool)
            or not isinstance(limit, int | float)
            or not 0 < limit < math.inf
        ):
            raise InvalidPrimer(
                f"{name}: timeout (in seconds) and max_bytes are numbers greater than zero."
            )


def placeholders(text: str) -> set[str]:
    """The names in braces. Raises InvalidPrimer for anything else in them."""
    try:
        parsed = [(name, form, turn) for _, name, form, turn in string.Formatter().parse(text)]
    except ValueError:
        parsed = [("", None, None)]
    pieces = [(name, form, turn) for name, form, turn in parsed if name is not None]
    if any(not name.isidentifier() or form or turn for name, form, turn in pieces):
        raise InvalidPrimer(f"{text!r}: braces hold the name of a parameter, and nothing else.")
    return {name for name, _, _ in pieces}
