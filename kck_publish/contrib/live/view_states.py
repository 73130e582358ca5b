"""The answers of one view as a stream: it is asked again when what it shows may have changed."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from django.db import connections
from django.http import HttpResponseBase

from ...conf import settings
from . import process_hub, threads, workers
from .client import Client
from .events import DENIED, GONE, VALUE, Event, Frame
from .sse import BEAT, Encoding, hello, wait

# How many answers are remembered, so that a client that comes back is told nothing twice.
MOST = 10_000


@dataclass(frozen=True)
class Asked:
    """What a client watches.

    Attributes:
        key: the path that it asks.
        products: any of whose values may change the answer.
        since: the version that it has.
        interval: seconds that are left between two answers.
        reader: what tells one reader from others, of all that the view may look at.
        user: and ``session``: see Client.
        packed: compressed by gzip.
    """

    key: str
    products: frozenset[str]
    since: str
    interval: float
    reader: bytes
    user: object
    session: str | None
    packed: bool


class Watcher(Client):
    """A client of whole products."""

    def __init__(self, asked: Asked) -> None:
        super().__init__([])
        self.products = asked.products
        self.user, self.session = asked.user, asked.session


Again = Callable[[Watcher], Awaitable[HttpResponseBase | None]]


async def states(asked: Asked, again: Again) -> AsyncIterator[bytes]:
    """The stream. The view is asked first once it has joined, so that nothing falls in between."""
    await threads.release()
    watcher, encoding = Watcher(asked), Encoding(asked.packed)
    hub = process_hub.join(watcher)
    try:
        yield encoding.join([hello()])
        shown = _known.get((asked.key, asked.reader, asked.since))
        spoken, looked, checked = time.monotonic(), 0.0, 0.0
        while not watcher.closed:
            watcher.ready.clear()
            now = time.monotonic()
            due = watcher.touched and now - looked >= asked.interval
            frames: list[Frame] = []
            if due or watcher.recheck or not checked or now - checked >= settings.LIVE_RECHECK:
                watcher.touched = watcher.recheck = False
                looked = checked = now
                version = await workers.run(_version)
                response = await again(watcher)
                event, state = _event(asked, response, version)
                if event is not None and state != shown:
                    shown = state
                    _remember(asked, event, state)
                    frames.append(event.full)
                if event is not None and event.kind == DENIED:
                    yield encoding.join(frames) + encoding.end()
                    return
            if not frames and now - spoken >= settings.LIVE_HEARTBEAT:
                frames.append(BEAT)
            if frames:
                spoken = now
                yield encoding.join(frames)
            pause = min(spoken + settings.LIVE_HEARTBEAT, checked + settings.LIVE_RECHECK)
            if watcher.touched:
                pause = min(pause, looked + asked.interval)
            await wait(watcher, pause - time.monotonic())
        if end := encoding.end():
            yield end
    finally:
        hub.leave(watcher)


def _event(asked: Asked, response: Any, version: int) -> tuple[Event | None, bytes]:
    """What an answer says, and what is equal for two that say the same; None: ask again later."""
    status = 0 if response is None else response.status_code
    if status == 200:
        body = response.content
        return Event(asked.key, VALUE, version, body), blake2b(body, digest_size=16).digest()
    if status in (404, 410):
        return Event(asked.key, GONE, version), b"gone"
    if status in (401, 403):
        return Event(asked.key, DENIED, None), b"denied"
    return None, b""


def _version() -> int:
    """A number that grows with each write to the store: what is answered now is no older."""
    with connections[settings.DATABASE].cursor() as cursor:
        cursor.execute("SELECT last_value FROM kck_publish_version")
        return int(cursor.fetchone()[0])


_known: OrderedDict[tuple[str, bytes, str], bytes | None] = OrderedDict()


def _remember(asked: Asked, event: Event, state: bytes) -> None:
    place = asked.key, asked.reader, str(event.version)
    # Of two answers under one version the second may not have come: then it is told again.
    _known[place] = state if _known.pop(place, state) == state else None
    if len(_known) > MOST:
        _known.popitem(last=False)
