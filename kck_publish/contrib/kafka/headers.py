"""Headers of messages: their names, and their form in the library's tables. Pure."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from hashlib import blake2b

import orjson

Headers = Sequence[tuple[str, bytes | None]]

# What each message of the relay carries.
ID, VERSION, STAMP, FINGERPRINT, TRACE = "id", "version", "stamp", "fingerprint", "traceparent"
SITE, ENVELOPE, SHAPE, OP = "site", "envelope", "shape", "op"
READ_AT = "read-at"
# What a message of a retry topic, or of a dead letter topic, carries besides.
FROM_TOPIC, FROM_PARTITION, FROM_OFFSET = "from-topic", "from-partition", "from-offset"
GROUP, ATTEMPTS, DUE, ERROR, TRACEBACK = "group", "attempts", "due", "error", "traceback"


def pairs(**values: object) -> list[tuple[str, bytes]]:
    """Headers of these values, as text; None is left out, and "_" in a name stands for "-"."""
    return [
        (name.replace("_", "-"), value if isinstance(value, bytes) else str(value).encode())
        for name, value in values.items()
        if value is not None
    ]


def trace(*parts: str) -> str:
    """A W3C traceparent that is the same for the same parts: a repeated message repeats it."""
    digest = blake2b("\0".join(parts).encode(), digest_size=24).hexdigest()
    return f"00-{digest[:32]}-{digest[32:]}-01"


def traces(site: str) -> Callable[[int], bytes]:
    """Traceparents of numbered messages of a site: the same for the same number, no two alike."""
    begin = blake2b(site.encode(), digest_size=8).hexdigest().encode()

    def trace_of(number: int) -> bytes:
        # Times an odd number, so that no two meet; and spread, for who samples by the last digits.
        spread = number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        return b"00-%b%016x-%016x-01" % (begin, spread, spread)

    return trace_of


def pack(headers: Headers) -> bytes:
    """The headers as one value of a table."""
    return orjson.dumps(
        [[name, None if value is None else b64encode(value).decode()] for name, value in headers]
    )


def unpack(packed: bytes) -> list[tuple[str, bytes | None]]:
    """The headers of such a value."""
    return [
        (name, None if value is None else b64decode(value)) for name, value in orjson.loads(packed)
    ]
