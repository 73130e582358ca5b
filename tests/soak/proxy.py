"""A TCP proxy before the server that cuts connections in the middle of a message.

One thread with an event loop of its own. A cut lets half of the next piece through, in whatever
direction it goes, and then resets both sides.
"""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(eq=False)
class Line:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    armed: bool = False
    cut: bool = False

    def sever(self) -> None:
        """Reset both sides."""
        self.cut = True
        for side in (self.client, self.server):
            side.transport.abort()


@dataclass
class Proxy:
    """Listens on a free port of 127.0.0.1, and passes on to `target`."""

    target: int
    seed: int
    port: int = 0
    cuts: int = 0  # those that came in the middle of a message
    _lines: set[Line] = field(default_factory=set)

    def start(self) -> None:
        """Start the thread; `port` is known when this returns."""
        self._random = random.Random(self.seed)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        ready: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        self.port = ready.result(10)

    def cut(self, lines: int) -> None:
        """Cut so many connections at the next thing that each says."""
        self._loop.call_soon_threadsafe(self._arm, lines)

    def stop(self) -> None:
        """End all connections, and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _arm(self, lines: int) -> None:
        open_lines = [one for one in self._lines if not one.armed]
        for line in self._random.sample(open_lines, min(lines, len(open_lines))):
            line.armed = True

    def _run(self, ready: Future[int]) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, "127.0.0.1", self.port)
        )
        ready.set_result(server.sockets[0].getsockname()[1])
        self._loop.run_forever()
        server.close()
        for line in list(self._lines):
            line.sever()
        if tasks := asyncio.all_tasks(self._loop):  # each ends when its connection has
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=5))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            answers, server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:  # the server is restarting
            client.transport.abort()
            return
        line = Line(client, server)
        self._lines.add(line)
        try:
            await asyncio.gather(
                self._pass(line, reader, server), self._pass(line, answers, client)
            )
        finally:
            self._lines.discard(line)
            line.sever()

    async def _pass(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(65536):
                if line.armed and len(piece) > 1:
                    self.cuts += 1
                    writer.write(piece[: self._random.randrange(1, len(piece))])
                    with suppress(TimeoutError):
                        await asyncio.wait_for(writer.drain(), 1)
                    await asyncio.sleep(0)  # what is written is on its way
                    break
                writer.write(piece)
                await writer.drain()
        line.sever()
