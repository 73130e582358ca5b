"""Shapes: what a JSON body cannot say about the value it stands for. Below encoding.py.

A shape is a small JSON tree laid over the body:

    null                            plain JSON here and below
    "datetime"                      this text is a datetime (a leaf; all tags are in LEAVES)
    "tuple"                         this list is a tuple (a container; all are in CONTAINERS)
    {"=when": "datetime"}           only the member `when` is not plain
    {"=1": "date"}                  only element 1 is not plain
    {"*": {"=when": "datetime"}}    every element is of this shape
    {"!": "tuple", "=1": "date"}    a container that is not plain, with what is in it

Tags of leaves speak of texts and those of containers of lists and dicts; a null, true or number
in the body stands for itself whatever the shape says, and a member that is absent is passed
over. So 1,000 rows with an optional datetime still share one element shape.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

Shape: TypeAlias = "str | dict[str, Shape] | None"
Decode: TypeAlias = Callable[[Any], Any]

# Up to this many elements a list is taken for a record, whose places differ in kind.
_RECORD = 8
# Decimal digits of longer integers run into sys.set_int_max_str_digits (640 at least).
_DECIMAL_BITS = 2048

_DURATION = re.compile(r"(-?)P(\d+)DT(\d\d)H(\d\d)M(\d\d)(?:\.(\d{6}))?S", re.ASCII)


def write_duration(value: timedelta) -> str:
    """ISO 8601, `P1DT02H03M04.000005S`: what DjangoJSONEncoder writes."""
    sign, rest = ("-", -value) if value < timedelta(0) else ("", value)
    hours, seconds = divmod(rest.seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    micro = f".{rest.microseconds:06d}" if rest.microseconds else ""
    return f"{sign}P{rest.days}DT{hours:02d}H{minutes:02d}M{seconds:02d}{micro}S"


def read_duration(text: str) -> timedelta:
    """The inverse of write_duration. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration")
    sign, *numbers = match.groups(default="0")
    days, hours, minutes, seconds, micro = map(int, numbers)
    value = timedelta(days, seconds, micro, minutes=minutes, hours=hours)
    return -value if sign == "-" else value


def write_integer(value: int) -> str:
    """Decimal digits, or hexadecimal ones (`0x..`) for a number of hundreds of digits."""
    return str(value) if value.bit_length() <= _DECIMAL_BITS else hex(value)


def read_integer(text: str) -> int:
    """The inverse of write_integer. Raises ValueError."""
    return int(text, 16) if "x" in text[:3] else int(text)


def _read_bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def int_keys(body: dict[str, Any]) -> dict[int | str, Any]:
    """The dict with the keys that are digits turned into integers."""
    return {int(key) if is_integer(key) else key: value for key, value in body.items()}


is_integer = re.compile(r"0|-?[1-9][0-9]*", re.ASCII).fullmatch

# type -> (tag, value -> text, text -> value)
LEAVES: dict[type, tuple[str, Callable[[Any], str], Decode]] = {
    datetime: ("datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("date", date.isoformat, date.fromisoformat),
    time: ("time", time.isoformat, time.fromisoformat),
    timedelta: ("timedelta", write_duration, read_duration),
    Decimal: ("decimal", str, Decimal),
    UUID: ("uuid", str, UUID),
    bytes: ("bytes", lambda value: b64encode(value).decode(), _read_bytes),
}

CONTAINERS: dict[str, Decode] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "intkeys": int_keys,
}

_READ: dict[str, Decode] = {tag: read for tag, _, read in LEAVES.values()} | {"int": read_integer}


def of_list(tag: str | None, bodies: Sequence[Any], shapes: Sequence[Shape]) -> Shape:
    """The shape of a list, tuple or set from those of its elements."""
    if not any(shapes):
        return tag
    first = shapes[0]
    if all(shape == first for shape in shapes):
        return _node(tag, {"*": first})
    if len(shapes) > _RECORD:
        merged = _merge(bodies, shapes)
        if merged is not None:
            return _node(tag, {"*": merged})
    return _node(tag, {f"={i}": shape for i, shape in enumerate(shapes) if shape})


def of_dict(tag: str | None, body: dict[str, Any], shapes: dict[str, Shape]) -> Shape:
    """The shape of a dict from those of its members that are not plain."""
    if not shapes:
        return tag
    if len(body) > _RECORD:
        merged = _merge(list(body.values()), [shapes.get(key) for key in body])
        # A leaf is shared only when every member has it: a row of many nulls and one datetime
        # would otherwise look unlike its neighbours.
        if isinstance(merged, dict) or (merged is not None and len(shapes) == len(body)):
            return _node(tag, {"*": merged})
    return _node(tag, {f"={key}": shape for key, shape in shapes.items()})


def reader(shape: Shape) -> Decode:
    """The function that turns a freshly parsed body (which it changes) into the value.

    Raises KeyError for an unknown tag.
    """
    if not isinstance(shape, dict):
        if shape is None:
            return _same
        return _members({}, CONTAINERS[shape]) if shape in CONTAINERS else _leaf(_READ[shape])
    tag = shape.get("!")
    finish = CONTAINERS[tag] if isinstance(tag, str) else _same
    if "*" in shape:
        return _every(reader(shape["*"]), finish)
    members = {key[1:]: reader(child) for key, child in shape.items() if key[0] == "="}
    return _members(members, finish)


def _same(body: Any) -> Any:
    return body


def _leaf(read: Decode) -> Decode:
    return lambda body: read(body) if type(body) is str else body


def _every(read: Decode, finish: Decode) -> Decode:
    def every(body: Any) -> Any:
        if type(body) is dict or type(body) is list:
            for place in body if type(body) is dict else range(len(body)):
                body[place] = read(body[place])
            return finish(body)
        return body

    return every


def _members(readers: dict[str, Decode], finish: Decode) -> Decode:
    by_name = tuple(readers.items())
    by_index = tuple((int(key), read) for key, read in by_name if is_integer(key))

    def members(body: Any) -> Any:
        if type(body) is dict:
            for key, read in by_name:
                if key in body:
                    body[key] = read(body[key])
        elif type(body) is list:
            for index, read in by_index:
                if index < len(body):
                    body[index] = read(body[index])
        else:
            return body
        return finish(body)

    return members


def _node(tag: str | None, places: dict[str, Shape]) -> Shape:
    return places if tag is None else {"!": tag, **places}


def _open(shape: Shape) -> dict[str, Shape]:
    return shape if isinstance(shape, dict) else {"!": shape}


def _merge(bodies: Sequence[Any], shapes: Sequence[Shape]) -> Shape:
    """One shape that reads every body as its own shape would, or None."""
    merged: Shape = None
    for shape in shapes:
        if shape != merged:
            merged = _union(merged, shape)
    fits = all(_reads_alike(merged, s, b) for s, b in zip(shapes, bodies, strict=True))
    return merged if fits else None


def _union(left: Shape, right: Shape) -> Shape:
    """A guess that covers both where any shape can; _reads_alike has the last word."""
    if left is None or right is None or left == right:
        return left or right
    if not isinstance(left, dict) and not isinstance(right, dict):
        return left
    left, right = _open(left), _open(right)
    places: dict[str, Shape] = {}
    if "*" in left or "*" in right:
        places["*"] = _union_of(s for node in (left, right) for k, s in node.items() if k != "!")
    else:
        for key in [*left, *right]:
            if key != "!" and key not in places:
                places[key] = _union(left.get(key), right.get(key))
    tag = left.get("!") or right.get("!")
    return _node(tag if isinstance(tag, str) else None, places)


def _union_of(shapes: Iterable[Shape]) -> Shape:
    result: Shape = None
    for shape in shapes:
        result = _union(result, shape)
    return result


def _reads_alike(left: Shape, right: Shape, body: Any) -> bool:
    if left == right or not isinstance(body, str | list | dict):
        return True
    left, right = _open(left), _open(right)
    if left.get("!") != right.get("!"):
        return False
    if isinstance(body, str):
        return True
    for key, child in body.items() if isinstance(body, dict) else enumerate(body):
        mine, theirs = (node.get("*", node.get(f"={key}")) for node in (left, right))
        if not _reads_alike(mine, theirs, child):
            return False
    return True
