"""A network between a client and PostgreSQL: a proxy that hands each piece on some time later.

A program, so that it takes nothing from the interpreter that measures:
``python -m benchmarks.latency HOST PORT SECONDS`` prints the port that it listens on.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


@contextmanager
def delayed(url: str, seconds: float) -> Iterator[str]:
    """The URL of the same server behind a network on which each way takes so long."""
    parts = urlsplit(url)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks.latency"),
            *(str(parts.hostname), str(parts.port or 5432), str(seconds)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        user, at, _ = parts.netloc.rpartition("@")
        yield parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()
    finally:
        process.terminate()
        process.wait()


async def forward(host: str, port: int, seconds: float) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def write() -> None:
            while True:
                due, data = await pieces.get()
                await asyncio.sleep(due - loop.time())
                if not data:
                    writer.close()
                    return
                writer.write(data)

        writing = asyncio.ensure_future(write())
        data = b"-"
        while data:
            try:
                data = await reader.read(65_536)
            except ConnectionError:
                data = b""
            pieces.put_nowait((loop.time() + seconds, data))
        await writing

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_connection(host, port)
        await asyncio.gather(pump(reader, questions), pump(answers, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(forward(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
