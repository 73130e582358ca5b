"""Server-Sent Events: what one client is sent, as long as it listens.

Source: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

import asyncio
import random
import struct
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from ...conf import settings
from . import process_hub, threads
from .client import Client
from .events import DENIED, Event, Frame
from .hub import Hub

# Milliseconds after which a client that was cut off comes back; not all in one moment.
RETRY = (1000, 3000)
# Bytes that are sent at once at most, but for an event that is longer.
CHUNK = 64 * 1024
BEAT = Frame(b": alive\n\n")
# Source: RFC 1952: no name, no time.
_GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

Check = Callable[[Client], Awaitable[set[str]]]


def hello() -> Frame:
    """How every stream begins."""
    return Frame(b"retry: %d\n\n" % random.randint(*RETRY))


def alive() -> Frame:
    """A sign of life that scripts see, unlike a comment, with the seconds until the next."""
    return Frame(b"event: alive\ndata: %g\n\n" % settings.LIVE_HEARTBEAT)


class Encoding:
    """What a client is sent, as it is or compressed."""

    def __init__(self, packed: bool) -> None:
        self._packed = packed
        self._started = False
        self._sum = self._length = 0

    def join(self, frames: list[Frame]) -> bytes:
        """The bytes of some frames."""
        if not self._packed:
            return b"".join(frame.plain for frame in frames)
        parts = [] if self._started else [_GZIP]
        self._started = True
        for frame in frames:
            parts.append(frame.packed)
            self._sum = zlib.crc32(frame.plain, self._sum)
            self._length += len(frame.plain)
        return b"".join(parts)

    def end(self) -> bytes:
        """What comes last."""
        if not self._packed or not self._started:
            return b""
        length = self._length & 0xFFFFFFFF
        return b"\x03\x00" + struct.pack("<II", self._sum, length)


async def events(
    client: Client,
    check: Check,
    body: bool,
    packed: bool,
    first: list[Frame],
    sign: Frame = BEAT,
) -> AsyncIterator[bytes]:
    """The stream of a client that has been let in.

    Args:
        check: the keys that the client may still see.
        body: with the values.
        packed: compressed by gzip.
        first: what is said at the start.
        sign: what is said now and then, that the stream lives.
    """
    await threads.release()  # also of what the middleware did with the response
    encoding = Encoding(packed)
    hub = process_hub.join(client)
    try:
        yield encoding.join([hello(), *first])
        checked = time.monotonic() - random.uniform(0, settings.LIVE_RECHECK / 2)
        spoken = time.monotonic()
        while not client.closed:
            client.ready.clear()
            now = time.monotonic()
            frames: list[Frame] = []
            if client.recheck or now - checked >= settings.LIVE_RECHECK:
                client.recheck, checked = False, now
                frames += _denied(hub, client, await check(client))
            pause = _take(hub, client, now, frames, body)
            if not frames and now - spoken >= settings.LIVE_HEARTBEAT:
                frames.append(sign)
            if frames:
                spoken = now
                yield encoding.join(frames)
            if not client.keys:
                break
            if pause is None or pause > 0:
                beat = spoken + settings.LIVE_HEARTBEAT - time.monotonic()
                again = checked + settings.LIVE_RECHECK - time.monotonic()
                await wait(client, min(beat, again, *([] if pause is None else [pause])))
        if end := encoding.end():
            yield end
    finally:
        hub.leave(client)


def _take(hub: Hub, client: Client, now: float, frames: list[Frame], body: bool) -> float | None:
    """Take what is due, as much as is sent at once; in how many seconds there is more."""
    size = 0
    while size < CHUNK:
        event, pause = hub.take(client, now)
        if event is None:
            return pause
        frame = event.full if body else event.brief
        frames.append(frame)
        size += len(frame.plain)
    return 0.0


def _denied(hub: Hub, client: Client, allowed: set[str]) -> list[Frame]:
    frames = []
    for key in sorted(client.keys - allowed):
        hub.drop(client, key)
        frames.append(denied(key))
    return frames


def denied(key: str) -> Frame:
    """That a client may not see a key, or not any more."""
    return Event(key, DENIED, None).brief


async def wait(client: Client, seconds: float) -> None:
    """Wait until there may be something to do, or for so long."""
    with suppress(asyncio.TimeoutError):
        async with asyncio.timeout(max(seconds, 0.001)):
            await client.ready.wait()
