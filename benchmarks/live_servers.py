"""The processes of ``live``: a server, and the clients of its streams."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.redis_server import free_port


@dataclass
class Server:
    """A uvicorn of one worker."""

    port: int
    process: subprocess.Popen[bytes]

    def status(self, name: str) -> int:
        """A figure of the kernel's: VmRSS in KiB, Threads."""
        with open(f"/proc/{self.process.pid}/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(name))

    def seconds(self) -> float:
        """The processor time that it has used."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(peer: str = "") -> Iterator[Server]:
    """A server process."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.live_asgi:application", "--port"]
    environment = os.environ | {"KCK_BENCH_PEER": peer}
    process = subprocess.Popen(
        [*command, str(port), "--log-level", "error", "--lifespan", "off"], env=environment
    )
    try:
        while process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield Server(port, process)
    finally:
        process.kill()
        process.wait()


class Clients:
    """Streams in a process of their own."""

    def __init__(self, port: int, path: str, streams: int, first: int, last: int) -> None:
        """Open them, on the keys from the first to the last."""
        arguments = map(str, [port, path, streams, first, last])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.live_client", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "open":
            raise RuntimeError("the streams were not opened")

    def ask(self, what: str = "get") -> list[float]:
        """The latencies since the last reset."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        found: list[float] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """Cut them off."""
        self._process.kill()
        self._process.wait()
