"""Encoding: a value <-> bytes, and fingerprints. Pure; above shapes.py, below the stores.

The body is plain JSON, so it can be sent to a browser as it is. What JSON cannot say (this text
is a datetime, that list a tuple) is kept beside it as a *shape*, None for plain JSON.

Come back as they were, nested in any way: None, bool, int, float, str, list, dict with str or
int keys, tuple, set, frozenset, datetime, date, time, timedelta, Decimal, UUID, bytes. UTC comes
back as datetime.timezone.utc, other zones as their fixed offset: the instant and the offset are
kept. Subclasses (TextChoices, OrderedDict, SafeString, ReturnDict) come back as the type they
derive from; named tuples are refused, for code would miss their names. Integers beyond 64 bits
are text in the body.

Equal bytes mean "unchanged", so equal values give equal bytes: sets are sorted; but a dict keeps
the order it was given, and 1, 1.0 and True, or Decimal("1.0") and Decimal("1.00"), differ.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from types import FunctionType
from typing import Any, NamedTuple, cast
from uuid import UUID

import orjson

from ..exceptions import Undecodable, Unserializable
from .shapes import LEAVES, Decode, Shape, is_integer, of_dict, of_list, reader, write_integer

FORMAT = 1
"""Goes into every fingerprint. Bump it whenever bytes change their form or meaning."""

MAX_DEPTH = 254
"""Levels of lists and dicts in one another; orjson's own limit."""

_STRICT = (
    orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)
_SETS: dict[type, str] = {set: "set", frozenset: "frozenset"}
# What a subclass is stored as; datetime stands before date, whose subclass it is.
_BASES = (
    *(str, int, float, dict, list, datetime, date, time, timedelta, Decimal, UUID, bytes),
    *(set, frozenset),
)
_INT64, _UINT64 = -(2**63), 2**64
_CACHED_SHAPE = 4096  # bytes; larger ones are not worth keeping


class Encoded(NamedTuple):
    """A value as it is stored: JSON, and the shape where JSON does not say all."""

    body: bytes
    shape: bytes | None = None


class _Refusal(Exception):  # noqa: N818 - no error yet: encode() turns it into one
    """On its way up from the part that cannot be stored, collecting the path."""

    def __init__(self, kind: str, hint: str) -> None:
        self.kind = kind
        self.hint = hint
        self.steps: list[object] = []


def encode(value: Any) -> Encoded:
    """The bytes of a value. Raises Unserializable, naming the path inside the value."""
    # Most values are plain JSON. C code finds that out: what is read back is equal only if
    # nothing was a tuple, UUID, enum, NaN, ... which orjson would write as something else.
    try:
        body = orjson.dumps(value, option=_STRICT)
        if orjson.loads(body) == value:
            return Encoded(body)
    except (TypeError, ValueError, RecursionError):
        pass  # not plain: the careful way below either stores it or says why it cannot
    try:
        packed, shape = _pack(value, 0)
    except _Refusal as refused:
        path = _path(reversed(refused.steps))
        raise Unserializable(path, refused.kind, refused.hint) from None
    except RecursionError:
        raise Unserializable("$", type(value).__name__, _TOO_DEEP) from None
    return Encoded(orjson.dumps(packed), None if shape is None else orjson.dumps(shape))


def decode(body: bytes, shape: bytes | None = None) -> Any:
    """The value of encoded bytes, made of fresh objects. Raises Undecodable."""
    try:
        value = orjson.loads(body)
        if shape is None:
            return value
        return reader_of(shape)(value)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
        raise Undecodable(f"{type(error).__name__}: {error}") from error


def fingerprint(*parts: str) -> str:
    """16 hexadecimal digits that differ whenever FORMAT or one of the parts does."""
    digest = blake2b(f"kck_publish {FORMAT}".encode(), digest_size=8)
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def reader_of(shape: bytes) -> Decode:
    """What turns a parsed body, which it changes, into the value. Raises KeyError, ValueError."""
    return _reader(shape) if len(shape) <= _CACHED_SHAPE else reader(orjson.loads(shape))


@lru_cache(maxsize=512)
def _reader(shape: bytes) -> Decode:
    return reader(orjson.loads(shape))


_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels, or contains itself"


def _pack(value: Any, depth: int) -> tuple[Any, Shape]:
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
        raise _Refusal("float", "JSON has no NaN or infinity; use None, a Decimal or text")
    if kind in LEAVES:
        return _pack_leaf(value, kind)
    if kind in (list, dict, tuple, set, frozenset):
        if depth >= MAX_DEPTH:
            raise _Refusal(kind.__name__, _TOO_DEEP)
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
            raise _Refusal("str", "it holds a lone surrogate; decode it properly") from None
    return value


def _pack_leaf(value: Any, kind: type) -> tuple[str, Shape]:
    if kind in (datetime, time) and value.tzinfo is not None:
        offset = value.utcoffset()
        if offset is None:
            raise _Refusal(kind.__name__, "its zone gives no offset; use a datetime, or no zone")
        if offset and abs(offset) < timedelta(seconds=1):  # fromisoformat takes it for UTC
            raise _Refusal(kind.__name__, "its zone is within a second of UTC; use UTC")
    tag, write, _ = LEAVES[kind]
    return write(value), tag


def _pack_subclass(value: Any, kind: type, depth: int) -> tuple[Any, Shape]:
    # issubclass and not isinstance: that would evaluate a lazy object.
    base = next((base for base in _BASES if issubclass(kind, base)), None)
    if base is None:
        raise _Refusal(kind.__name__, _hint(value))
    if base is str:
        return _pack_text(str.__str__(value)), None
    if base in (int, float):
        return _pack(base.__pos__(value), depth)
    if base in LEAVES:
        body, shape = _pack_leaf(value, base)
        try:
            kept = LEAVES[base][2](body) == value
        except (ValueError, ArithmeticError):
            kept = False
        if not kept:  # such as nanoseconds
            raise _Refusal(kind.__name__, f"it does not fit a {base.__name__}; convert it")
        return body, shape
    return _pack(cast(Any, base)(value), depth)


def _pack_list(value: Any, depth: int) -> tuple[list[Any], Shape]:
    bodies: list[Any] = []
    shapes: list[Shape] = []
    try:
        for item in value:
            body, shape = _pack(item, depth)
            bodies.append(body)
            shapes.append(shape)
    except _Refusal as refused:
        refused.steps.append(len(bodies))
        raise
    return bodies, of_list("tuple" if type(value) is tuple else None, bodies, shapes)


def _pack_set(value: Any, depth: int) -> tuple[list[Any], Shape]:
    try:
        packed = [_pack(item, depth) for item in value]
    except _Refusal as refused:
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
            raise _Refusal(f"a key of type {type(key).__name__}", "use str or int keys")
        try:
            body, shape = _pack(item, depth)
        except _Refusal as refused:
            refused.steps.append(key)
            raise
        bodies[text] = body
        if shape is not None:
            shapes[text] = shape
    if numbers and digits:
        raise _Refusal("dict", "it mixes int keys with text keys that look like numbers")
    return bodies, of_dict("intkeys" if numbers else None, bodies, shapes)


def _digits(number: int) -> str:
    text = write_integer(number)
    if "x" in text:
        raise _Refusal("a key of type int", "the number is too long for a key; use text")
    return text


_SHOWN = 12  # steps of a path; a value that contains itself has hundreds


def _path(steps: Iterable[object]) -> str:
    """`$.rows[3].when`; a member of a set is `[*]`."""
    parts = [_step(step) for step in steps]
    if len(parts) > _SHOWN:
        parts = [*parts[: _SHOWN - 2], "...", *parts[-2:]]
    return "$" + "".join(parts)


def _step(step: object) -> str:
    if isinstance(step, str):
        return f".{step}" if step.isidentifier() else f"[{json.dumps(step)}]"
    return "[*]" if step is ... else f"[{step}]"


# By name of a base class: Django is not imported here, and a lazy object must not be evaluated.
_HINTS = {
    "Model": "store its pk, or a dict of its fields; or read it through .cached",
    "QuerySet": "use list(queryset.values(...))",
    "Promise": "it is a lazy text: use str(value)",
    "LazyObject": "it is lazy: store the pk or the fields of what is behind it",
    "FieldFile": "use value.name or value.url",
    "Enum": "use value.value",
    "tuple": "use value._asdict(), or tuple(value)",
    "bytearray": "use bytes(value)",
    "memoryview": "use bytes(value)",
    "ndarray": "use value.tolist()",
}


def _hint(value: object) -> str:
    kind = type(value)
    for base in kind.__mro__:
        if base.__name__ in _HINTS:
            return _HINTS[base.__name__]
    if hasattr(kind, "__dataclass_fields__"):
        return "use dataclasses.asdict(value)"
    if hasattr(kind, "__iter__"):
        return "use list(value)"
    return "store what it returns" if isinstance(value, FunctionType) else ""
