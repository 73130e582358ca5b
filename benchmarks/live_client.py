"""Many streams in one process: ``python -m benchmarks.live_client PORT PATH``, the path with {n}.

Arguments: port, path, number of streams, first and last key. It prints ``open`` once all are open,
and for each line of its input a JSON list of latencies in seconds: from ``at`` in an event to its
arrival.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from functools import partial

AT = re.compile(rb'"at": ?(\d+)')


class Client(asyncio.Protocol):
    """One stream."""

    latencies: list[float] = []
    opened = 0

    def __init__(self, path: str) -> None:
        self._path = path
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if not self._open:
            self._open = True
            Client.opened += 1
            if not data.startswith(b"HTTP/1.1 200"):
                sys.exit(f"refused: {data[:300]!r}")
        for at in AT.findall(data):
            if int(at):
                Client.latencies.append((now - int(at)) / 1e9)


async def opened(count: int) -> None:
    """Wait until so many streams have begun."""
    while Client.opened < count:  # noqa: ASYNC110 - a thousand answers need no event each
        await asyncio.sleep(0.01)


async def main(port: int, path: str, streams: int, first: int, last: int) -> None:
    """Open them, wait for the end of the input, and print."""
    loop = asyncio.get_running_loop()
    for number in range(streams):
        target = path.replace("{n}", str(first + number % (last - first + 1)))
        await loop.create_connection(partial(Client, target), "127.0.0.1", port)
        if number % 50 == 0:
            await opened(number - 200)
    await opened(streams)
    print("open", flush=True)
    while command := (await asyncio.to_thread(sys.stdin.readline)).strip():
        if command == "reset":
            Client.latencies.clear()
        print(json.dumps(Client.latencies), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])))
