"""Encoding: a value <-> bytes, and fingerprints. Pure; above ``value_shapes``, below the stores.

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

from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from ..exceptions import Undecodable, Unserializable
from .packing import TOO_DEEP, pack
from .unstorable import Refusal, path_of
from .value_shapes import Decode, reader

FORMAT = 1
"""Goes into every fingerprint. Bump it whenever bytes change their form or meaning."""

_STRICT = (
    orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)
_CACHED_SHAPE = 4096  # bytes; larger ones are not worth keeping


class Encoded(NamedTuple):
    """A value as it is stored: JSON, and the shape where JSON does not say all."""

    body: bytes
    shape: bytes | None = None


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
        packed, shape = pack(value, 0)
    except Refusal as refused:
        path = path_of(reversed(refused.steps))
        raise Unserializable(path, refused.kind, refused.hint) from None
    except RecursionError:
        raise Unserializable("$", type(value).__name__, TOO_DEEP) from None
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
    """The function from a parsed body to the value. Raises KeyError, ValueError."""
    return _reader(shape) if len(shape) <= _CACHED_SHAPE else reader(orjson.loads(shape))


@lru_cache(maxsize=512)
def _reader(shape: bytes) -> Decode:
    return reader(orjson.loads(shape))
