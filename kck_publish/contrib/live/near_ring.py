"""The socket at which the follower of a near store's file rings for a hub."""

from __future__ import annotations

import os
import secrets
import selectors
import socket
from contextlib import suppress

from ...stores.near.format import ring_at
from ...stores.near.hold_requests import RING
from ...stores.near.reader import NearReader


class Ring:
    """Open until ``close``.

    Args:
        near: reads the file.

    Raises:
        OSError: there can be no socket beside the file.
    """

    def __init__(self, near: NearReader) -> None:
        self._near = near
        self._path = ring_at(near.path, secrets.token_hex(4))
        self._woken, self._wake = socket.socketpair()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.bind(self._path)
            os.chmod(self._path, 0o600)
        except BaseException:
            self.close()
            raise
        self._selector = selectors.DefaultSelector()
        for one in (self._woken, self._wake, self._socket):
            one.setblocking(False)
        for one in (self._woken, self._socket):
            self._selector.register(one, selectors.EVENT_READ)
        self.ask()

    def ask(self) -> None:
        """Have the follower ring here: another one, perhaps, than the one that was asked before."""
        self._near.ask(self._path, RING)

    def wait(self, seconds: float) -> None:
        """Wait for a ring, or until ``wake`` is called."""
        for key, _ in self._selector.select(seconds):
            with suppress(BlockingIOError):
                while key.fileobj.recv(4096):  # type: ignore[union-attr]
                    pass

    def wake(self) -> None:
        """End a ``wait``; any thread may say so."""
        with suppress(OSError):  # full: it is awake; closed: nobody waits
            self._wake.send(b"!")

    def close(self) -> None:
        """Nobody is to ring any more."""
        with suppress(OSError):
            os.unlink(self._path)
        for one in (self._socket, self._woken, self._wake):
            one.close()
