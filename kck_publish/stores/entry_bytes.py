"""An entry as the bytes that an outside server keeps, and back. Pure; no pickle.

    "1" kind order version | times, by, lengths | stamp ("|" over) | shape | body

The first 34 bytes are text of fixed width, so that a script in the server can compare them:
``order`` is the number of transactions that had ended in the stamp (see ``log.snapshot``). A
*tombstone* says that what was there has been removed, and by which state: what a slow reader
computed before that must not come back.
"""

from __future__ import annotations

import math
import secrets
import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from ..clock import now
from ..log.snapshot import Snapshot
from .types import HAND, LISTENER, READER, Address, Stored

FORMAT = b"1"
VALUE, ABSENT, TOMBSTONE = b"v", b"n", b"t"
_HEAD = 34
_REST = struct.Struct(">dddcii")
_BY = {READER: b"r", LISTENER: b"l", HAND: b"h"}
_WHO = {code: by for by, code in _BY.items()}


@dataclass(frozen=True, slots=True)
class Head:
    """The rank of a write, which decides whether it may replace the value that is there."""

    kind: bytes
    order: int
    version: int


def new_version() -> int:
    """A number that is used once."""
    return secrets.randbits(62)


def frame(entry: Stored) -> bytes:
    """The bytes of an entry; one without a version gets a new one."""
    state = f"{entry.stamp}|{entry.over}" if entry.over else entry.stamp
    stamp, shape = state.encode(), entry.shape or b""
    kind = ABSENT if entry.body is None else VALUE
    rest = _REST.pack(
        _seconds(entry.primed_at or now()),
        _seconds(entry.soft_expire),
        _seconds(entry.hard_expire),
        _BY[entry.by],
        len(stamp),
        -1 if entry.shape is None else len(shape),
    )
    head = _head(kind, entry.stamp, entry.version or new_version())
    return b"".join((head, rest, stamp, shape, entry.body or b""))


def tombstone(stamp: str) -> bytes:
    """The bytes that say: removed, as of this state."""
    return _head(TOMBSTONE, stamp, 0)


def head_of(data: object) -> Head | None:
    """The fixed part; None of what is not ours, or damaged."""
    if not isinstance(data, bytes) or len(data) < _HEAD or data[:1] != FORMAT:
        return None
    try:
        return Head(data[1:2], int(data[2:18], 16), int(data[18:34], 16))
    except ValueError:
        return None


def unframe(address: Address, data: object) -> Stored | None:
    """The entry; None for a tombstone, and for what is not ours, or damaged."""
    head = head_of(data)
    if head is None or head.kind not in (VALUE, ABSENT):
        return None
    assert isinstance(data, bytes)
    try:
        primed, soft, hard, by, stamped, shaped = _REST.unpack_from(data, _HEAD)
        start = _HEAD + _REST.size
        stamp, _, over = data[start : start + stamped].decode().partition("|")
        middle = start + stamped
        body = middle + max(shaped, 0)
        return Stored(
            address,
            None if head.kind == ABSENT else data[body:],
            None if shaped < 0 else data[middle:body],
            stamp,
            _WHO[by],
            head.version,
            _moment(primed),
            _moment(soft),
            _moment(hard),
            over=over or None,
        )
    except (struct.error, ValueError, KeyError):
        return None


def may_replace(old: object, stamp: str) -> bool:
    """Whether a value of this state may be written over what is there."""
    head = head_of(old)
    return head is None or head.order <= Snapshot.parse(stamp).age


def makes_way(old: object, stamp: str) -> bool:
    """Whether what is there is nothing to a reader who adds a value of this state."""
    head = head_of(old)
    return head is None or (head.kind == TOMBSTONE and may_replace(old, stamp))


def _head(kind: bytes, stamp: str, version: int) -> bytes:
    return FORMAT + kind + b"%016x%016x" % (Snapshot.parse(stamp).age, version)


def _seconds(moment: datetime | None) -> float:
    return math.nan if moment is None else moment.timestamp()


def _moment(seconds: float) -> datetime | None:
    return None if math.isnan(seconds) else datetime.fromtimestamp(seconds, UTC)
