"""The requests of readers to the follower: to hold a key, or to go on holding it."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from itertools import cycle

from .format import door_of

# What is said, in the place of a fingerprint, of a file that cannot be read.
DAMAGED = "!" * 16
# And of the path of a socket, in the place of a key, at which to ring when something was copied.
RING = "*" * 16
# One hit in so many tells the follower that its key is still read.
TELLS = 512
# Whether the next hit does.
telling = cycle([*[False] * (TELLS - 1), True])
tells = telling.__next__


class Follower:
    """The follower of a file, as its readers reach it: by datagrams that may be lost.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def ask(self, key: str, fingerprint: str) -> None:
        """Ask it to hold a key, or to go on holding it; it may be busy, or gone."""
        with suppress(OSError, ValueError):
            ours, door = self._opened(), door_of(self._path)
            if os.lstat(door).st_uid == os.geteuid():  # no other user is told our keys
                ours.sendto(f"{fingerprint}{key}".encode(), door)

    def ask_for_body(self, name: bytes) -> None:
        """As ``ask``, by the name of a body; a digested name says no key, so it is left out."""
        if name.endswith(b"\0") and not name.startswith(b"\1"):
            self.ask(name[:-18].decode(), name[-17:-1].decode())

    def close(self) -> None:
        """Let go of the socket; it is opened again when something is asked."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def _opened(self) -> socket.socket:
        with self._lock:  # or each of two threads opens one
            if self._socket is None:
                kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
                self._socket = socket.socket(socket.AF_UNIX, kind)
            return self._socket
