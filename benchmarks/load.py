"""Requests per second of a URL over 8 connections: by wrk, or by bare sockets where it is missing.

These do not look at the headers: a client that does takes longer for an answer that has more.
"""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import subprocess
import time
from urllib.parse import urlsplit

CONNECTIONS = 8
MOST = 65_536
OK = b"HTTP/1.1 200 "
LAST = "Connection: close\r\n\r\n"


def rate(url: str, seconds: float) -> float:
    """Requests a second.

    Raises:
        RuntimeError: an answer was no 200.
    """
    return _wrk(url, seconds) if shutil.which("wrk") else _selected(url, seconds)


def _wrk(url: str, seconds: float) -> float:
    result = subprocess.run(
        ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{max(1, round(seconds))}s", url],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Requests/sec:\s+([\d.]+)", result.stdout)
    if found is None or "Non-2xx" in result.stdout:
        raise RuntimeError(f"{url}: {result.stdout}")
    return float(found[1])


def _selected(url: str, seconds: float) -> float:
    parts, end = urlsplit(url), time.perf_counter() + seconds
    assert parts.hostname is not None
    place = parts.hostname, parts.port or 80
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n{LAST}".encode()
    answered = 0
    with selectors.DefaultSelector() as waiting:
        for _ in range(CONNECTIONS):
            _ask(waiting, place, request)
        while time.perf_counter() < end:
            for key, _ in waiting.select(1.0):
                if _takes(key):
                    continue
                if not bytes(key.data).startswith(OK):
                    raise RuntimeError(f"{url}: {bytes(key.data[:50])!r}")
                _close(waiting, key)
                _ask(waiting, place, request)
                answered += 1
        for key in list(waiting.get_map().values()):
            _close(waiting, key)
    return answered / seconds


def _ask(waiting: selectors.BaseSelector, place: tuple[str, int], request: bytes) -> None:
    connection = socket.create_connection(place)
    connection.sendall(request)
    waiting.register(connection, selectors.EVENT_READ, bytearray())


def _takes(key: selectors.SelectorKey) -> bool:
    """Take what has come; whether more may."""
    got: bytes = key.fileobj.recv(MOST)  # type: ignore[union-attr]
    key.data.extend(got)
    return bool(got)


def _close(waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    waiting.unregister(key.fileobj)
    key.fileobj.close()  # type: ignore[union-attr]
