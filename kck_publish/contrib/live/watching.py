"""``.cached.watch``: one key of the hub, for Python."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from ...products.product import Product
from ...reading.read import answer_to
from ...reading.values import bytes_of
from . import process_hub, workers
from .client import Client
from .events import VALUE, Event


async def events(key: str, known: int | None = None) -> AsyncIterator[Event]:
    """The events of a key; a hub that ends is followed by another."""
    while True:
        client = Client([key], None if known is None else {key: known})
        hub = process_hub.join(client)
        try:
            while not client.closed:
                client.ready.clear()
                event, _ = hub.take(client, time.monotonic())
                if event is None:
                    await client.ready.wait()
                    continue
                known = event.version if event.kind == VALUE else None
                yield event
        finally:
            hub.leave(client)


async def bodies(product: Product, key: str) -> AsyncIterator[tuple[bytes, bytes | None]]:
    """The values of a key, as ``reading.watching.bodies`` promises."""
    async for event in events(key):
        if event.body is not None:
            yield event.body, event.shape
        else:  # it may only have been cleared, and is primed: else this says so
            await asyncio.wrap_future(workers.submit(_look, product, key))


def _look(product: Product, key: str) -> None:
    """Read as any reader does. Raises what says that there is no value."""
    bytes_of(product, key, answer_to(product, key))
