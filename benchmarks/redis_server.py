"""A redis-server of the benchmarks' own, on a free port; nothing is kept on disk."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def redis_server() -> Iterator[str | None]:
    """Its URL, which is put into the environment for the settings too; None: not installed."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        print("   redis-server is not installed: what needs it is left out")
        yield None
        return
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    url = f"redis://127.0.0.1:{port}"
    try:
        _wait(port)
        os.environ["KCK_BENCH_REDIS"] = url
        yield url
    finally:
        os.environ.pop("KCK_BENCH_REDIS", None)
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
