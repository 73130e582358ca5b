"""The door of the near store: the socket on which readers ask the follower to hold a key."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def opened(path: str) -> Iterator[socket.socket]:
    """Open the door at a path, in place of the door that an ended follower has left there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as door:
        with suppress(FileNotFoundError):
            os.unlink(path)
        door.bind(path)
        os.chmod(path, 0o600)
        yield door


def requests_at(door: socket.socket, most: int) -> list[tuple[str, str]]:
    """Key and fingerprint of the entries that readers ask to be held, each once."""
    requests: dict[tuple[str, str], None] = {}
    with suppress(BlockingIOError):
        while len(requests) < most:
            request = door.recv(65536).decode(errors="replace")
            requests[request[16:], request[:16]] = None
    return list(requests)
