"""Packing: a value that is not plain JSON -> what JSON can hold, and its shape.

``encoding`` asks for it where orjson alone would change the value.
"""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import orjson

from .unstorable import Refusal, hint_of
from .value_shapes import LEAVES, Shape, is_integer, of_dict, of_list, write_integer

MAX_DEPTH = 254
"""Levels of lists and dicts in one another; orjson's own limit."""
_SETS: dict[type, str] = {set: "set", frozenset: "frozenset"}
# What a subclass is stored as; datetime stands before date, whose subclass it is.
_BASES = (
    *(str, int, float, dict, list, datetime, date, time, timedelta, Decimal, UUID, bytes),
    *(set, frozenset),
)
_INT64, _UINT64 = -(2**63), 2**64

TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels, or contains itself"


def pack(value: Any, depth: int) -> tuple[Any, Shape]:
    """A value that lies at this depth, as JSON can hold it, and its shape. Raises Refusal."""
    kind = type(value)
    if kind is str:
        return _pack_text(value), None
    if value is None or kind is bool:
        return value, None
    if kind is int:
        return (value, None) if _INT64 <= value < _UINT64 else (write_integer(value), "int")
    if kind is float:
        if math.isfinite(value):
            return value, None
        raise Refusal("float", "JSON has no NaN or infinity; use None, a Decimal or text")
    if kind in LEAVES:
        return _pack_leaf(value, kind)
    if kind in (list, dict, tuple, set, frozenset):
        if depth >= MAX_DEPTH:
            raise Refusal(kind.__name__, TOO_DEEP)
        if kind is dict:
            return _pack_dict(value, depth + 1)
        if kind in _SETS:
            return _pack_set(value, depth + 1)
        return _pack_list(value, depth + 1)
    return _pack_subclass(value, kind, depth)


def _pack_text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refusal("str", "it holds a lone surrogate; decode it properly") from None
    return value


def _pack_leaf(value: Any, kind: type) -> tuple[str, Shape]:
    if kind in (datetime, time) and value.tzinfo is not None:
        offset = value.utcoffset()
        if offset is None:
            raise Refusal(kind.__name__, "its zone gives no offset; use a datetime, or no zone")
        if offset and abs(offset) < timedelta(seconds=1):  # fromisoformat takes it for UTC
            raise Refusal(kind.__name__, "its zone is within a second of UTC; use UTC")
    tag, write, _ = LEAVES[kind]
    return write(value), tag


def _pack_subclass(value: Any, kind: type, depth: int) -> tuple[Any, Shape]:
    # issubclass and not isinstance: that would evaluate a lazy object.
    base = next((base for base in _BASES if issubclass(kind, base)), None)
    if base is None:
        raise Refusal(kind.__name__, hint_of(value))
    if base is str:
        return _pack_text(str.__str__(value)), None
    if base in (int, float):
        return pack(base.__pos__(value), depth)
    if base in LEAVES:
        body, shape = _pack_leaf(value, base)
        try:
            kept = LEAVES[base][2](body) == value
        except (ValueError, ArithmeticError):
            kept = False
        if not kept:  # such as nanoseconds
            raise Refusal(kind.__name__, f"it does not fit a {base.__name__}; convert it")
        return body, shape
    return pack(cast(Any, base)(value), depth)


def _pack_list(value: Any, depth: int) -> tuple[list[Any], Shape]:
    bodies: list[Any] = []
    shapes: list[Shape] = []
    try:
        for item in value:
            body, shape = pack(item, depth)
            bodies.append(body)
            shapes.append(shape)
    except Refusal as refused:
        refused.steps.append(len(bodies))
        raise
    return bodies, of_list("tuple" if type(value) is tuple else None, bodies, shapes)


def _pack_set(value: Any, depth: int) -> tuple[list[Any], Shape]:
    try:
        packed = [pack(item, depth) for item in value]
    except Refusal as refused:
        refused.steps.append(...)
        raise
    packed.sort(key=lambda pair: orjson.dumps((pair[1], pair[0])))
    bodies = [body for body, _ in packed]
    return bodies, of_list(_SETS[type(value)], bodies, [shape for _, shape in packed])


def _pack_dict(value: dict[Any, Any], depth: int) -> tuple[dict[str, Any], Shape]:
    bodies: dict[str, Any] = {}
    shapes: dict[str, Shape] = {}
    numbers = digits = False
    for key, item in value.items():
        if issubclass(type(key), str):
            text = _pack_text(str.__str__(key))
            digits = digits or is_integer(text) is not None
        elif issubclass(type(key), int) and type(key) is not bool:
            text = _digits(int.__pos__(key))
            numbers = True
        else:
            raise Refusal(f"a key of type {type(key).__name__}", "use str or int keys")
        try:
            body, shape = pack(item, depth)
        except Refusal as refused:
            refused.steps.append(key)
            raise
        bodies[text] = body
        if shape is not None:
            shapes[text] = shape
    if numbers and digits:
        raise Refusal("dict", "it mixes int keys with text keys that look like numbers")
    return bodies, of_dict("intkeys" if numbers else None, bodies, shapes)


def _digits(number: int) -> str:
    text = write_integer(number)
    if "x" in text:
        raise Refusal("a key of type int", "the number is too long for a key; use text")
    return text
