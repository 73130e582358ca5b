"""Servers in processes of their own: each may be killed, and begun anew on its port."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import Any

APPLICATION = "tests.live.asgi:application"
SERVERS = {
    "uvicorn": ["uvicorn", APPLICATION, "--lifespan", "off", "--port"],
    "granian": ["granian", "--interface", "asginl", APPLICATION, "--port"],
    "daphne": ["daphne", APPLICATION, "--port"],
}


class ServerProcess:
    """A server's process, or the next one on the same port; killed with the block.

    Args:
        name: of the server.
        environment: of its processes.
    """

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._command = [sys.executable, "-m", *SERVERS[name], str(self.port)]
        self._environment = environment
        self.killed = 0
        self.process = self._begun()

    def kill(self) -> None:
        """Kill it in the middle of whatever it does, and begin another one."""
        self.process.kill()
        self.process.wait()
        self.killed += 1
        self.process = self._begun()

    def wait(self) -> None:
        """Wait until it listens."""
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _begun(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> ServerProcess:
        self.wait()
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.wait()
