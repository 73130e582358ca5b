"""The contents of the near store's file: names, entries, the owner, the lease. Pure.

An entry's name is its key text, a zero byte and the fingerprint; what is too long for LMDB is named
by its digest instead. The bytes of an entry are flags, the version of its row, and what
``stores.entry_bytes`` makes of it.

The body of a *bare* entry is a record of its own, whose name ends in one more zero byte: what JSON
says all of, and what need not be looked at twice. A reader that finds it needs nothing else.
"""

from __future__ import annotations

import json
import os
import struct
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...log.keys import identify
from ..entry_bytes import ABSENT, frame, head_of, unframe
from ..types import Address, Stored

MAGIC, FORMAT = "kck_publish near store", 3
# Longer names are refused by LMDB, as it is built by default; one byte is for the body's.
LONGEST_NAME = 510
# Readers of one file, threads of all processes of the host.
READERS = 2048
# The records that are no entries: no key begins so.
OWNER, LEASE = b"\0owner", b"\0lease"
# Of ``change_log``: how far it does not go back, as of when the copy is true, and its records.
FLOOR, LOOKED, CHANGED = b"\0floor", b"\0looked", b"\0t"

# Flags: its body is a record of its own; and it cannot be served without a second look.
_BARE, _BEHIND = 1, 2
# Before an entry: its flags, and the version of its row.
_FIRST = struct.Struct(">Bq")
_LEASE = struct.Struct(">ddd")

# Goes on while the host sleeps; the same for all its processes.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Seconds since the host was started."""
    return time.clock_gettime(CLOCK)


@lru_cache(maxsize=1)
def boot() -> str:
    """Which start of the host this is: after a crash of it, the file is not whole."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{time.time() - clock():.0f}"[:-2]


@dataclass(frozen=True)
class Owner:
    """Whose copy the file is.

    Attributes:
        token: drawn when the file was made; the consumer's name has it.
        boot: the start of the host in which it was written.
        cluster: the PostgreSQL cluster, and the database in it.
        consumer: the follower's registration.
        done: the snapshot up to which it is a true copy.
        size: the setting NEAR_SIZE with which it was made.
    """

    token: str
    boot: str
    size: int
    cluster: str = ""
    consumer: int = 0
    done: str = ""


def write_owner(owner: Owner) -> bytes:
    """The bytes of the owner's record."""
    return json.dumps({"magic": MAGIC, "format": FORMAT, **asdict(owner)}).encode()


def read_owner(data: bytes | None) -> Owner | None:
    """The owner of the file; None when the file is not ours, of another format or another start."""
    try:
        fields = json.loads(data or b"")
        if fields.pop("magic") != MAGIC or fields.pop("format") != FORMAT:
            return None
        owner = Owner(**fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return owner if owner.boot == boot() else None


@dataclass(frozen=True, slots=True)
class Lease:
    """Until when (by ``clock``) the file is to be trusted.

    Attributes:
        at: when the follower last found that it had copied everything.
        lag: how far the listener was behind then, in seconds; -1 for not known.
    """

    until: float
    at: float
    lag: float


def write_lease(lease: Lease) -> bytes:
    """The bytes of the lease's record."""
    return _LEASE.pack(lease.until, lease.at, lease.lag)


def read_lease(data: bytes | None) -> Lease:
    """The lease; one that has ended where there is none."""
    if data is None or len(data) != _LEASE.size:
        return Lease(0.0, 0.0, -1.0)
    return Lease(*_LEASE.unpack(data))


def name_of(key: str, fingerprint: str) -> bytes:
    """The name of an entry."""
    name = f"{key}\0{fingerprint}".encode()
    return name if len(name) <= LONGEST_NAME else _stem(key) + fingerprint.encode()


def stem_of(key: str) -> bytes:
    """The common beginning of the names of a key's entries, of all fingerprints."""
    name = f"{key}\0".encode()
    # The fingerprint has 16 digits.
    return name if len(name) + 16 <= LONGEST_NAME else _stem(key)


def _stem(key: str) -> bytes:
    return b"\1" + bytes.fromhex(identify(key)) + b"\0"


def body_name(name: bytes) -> bytes:
    """The name of the body of a bare entry."""
    return name + b"\0"


def entry_name(body: bytes) -> bytes:
    """The name of the bare entry whose body has this name."""
    return body[:-1]


def pack(entry: Stored) -> tuple[bytes, bytes | None]:
    """The bytes of an entry; and of its body, if that is a record of its own."""
    bare = entry.body is not None and not (
        entry.shape is not None
        or entry.behind
        or entry.over
        or entry.soft_expire is not None
        or entry.hard_expire is not None
    )
    flags = (_BARE if bare else 0) | (_BEHIND if entry.behind else 0)
    first = _FIRST.pack(flags, entry.row)
    if bare:
        return first + frame(entry._replace(body=b"")), entry.body
    return first + frame(entry), None


def is_absent(data: bytes) -> bool:
    """Whether these bytes of an entry say that there is nothing."""
    head = head_of(bytes(data[_FIRST.size :]))
    return head is not None and head.kind == ABSENT


def version_in(data: bytes) -> int:
    """The version of the entry that these are the bytes of; -1 when they are damaged."""
    head = head_of(bytes(data[_FIRST.size :]))
    return -1 if head is None else head.version


def unpack(key: str, fingerprint: str, data: bytes, body: bytes | None) -> Stored | None:
    """The entry; None when the bytes are damaged."""
    entry = unframe(Address(key, fingerprint), data[_FIRST.size :])
    if entry is None:
        return None
    flags, row = _FIRST.unpack_from(data)
    if not flags & _BARE:
        return entry._replace(row=row, behind=bool(flags & _BEHIND))
    return None if body is None else entry._replace(row=row, body=body)


def lock_name(path: str) -> str:
    """The file whose lock the follower holds."""
    return f"{path}-follower"


def door_of(path: str) -> str:
    """The socket on which the follower is asked to hold a key."""
    return f"{path}-ask"


def ring_at(path: str, name: str) -> str:
    """A socket of a process that follows the file: the follower rings there."""
    return f"{path}-ring-{name}"


def inode_of(path: str) -> tuple[int, int] | None:
    """Which file is there now."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_cut_short(env: Any, path: str) -> bool:
    """Whether the file is shorter than it says, so that reading it would end the process."""
    return bool((env.info()["last_pgno"] + 1) * env.stat()["psize"] > os.stat(path).st_size)
