"""Ranges and multiranges of fields that say nothing of them, as psycopg gives them."""

from __future__ import annotations

from typing import Any

from psycopg.types.multirange import Multirange
from psycopg.types.range import Range


def pack(value: Any) -> list[Any]:
    """Its ranges, each as its ends and bounds, or empty; whether there may be several.

    Raises:
        TypeError: it is neither.
    """
    if type(value) is Range:
        return [False, [_ends(value)]]
    if type(value) is Multirange:
        return [True, [_ends(part) for part in value]]
    raise TypeError(type(value))


def unpack(packed: list[Any]) -> Any:
    """What ``pack`` was given."""
    is_multirange, parts = packed
    ranges = [Range[Any](*part) if part else Range[Any](empty=True) for part in parts]
    return Multirange(ranges) if is_multirange else ranges[0]


def _ends(value: Range[Any]) -> list[Any]:
    return [] if value.isempty else [value.lower, value.upper, value.bounds]
