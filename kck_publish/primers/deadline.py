"""HTTP answers that come in time: their head, too, however slowly a server sends it.

The timeout of a socket is that of each single wait; a server that sends a byte now and then would
hold the listener for ever.
"""

from __future__ import annotations

import io
import time
from http.client import HTTPResponse
from socket import socket
from typing import Any
from urllib import request


class _InTime(io.RawIOBase):
    """The bytes of a socket until a deadline."""

    def __init__(self, sock: socket, source: Any, deadline: float) -> None:
        self._socket = sock
        self._source = source
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        read: int | None = self._source.raw.readinto(buffer)
        return read

    def close(self) -> None:
        self._source.close()
        super().close()


def _in_time(connection: Any, deadline: float) -> Any:
    """A class of connections as this one, whose answers end at a deadline."""

    class Response(HTTPResponse):
        def __init__(self, sock: socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            self.fp = io.BufferedReader(_InTime(sock, self.fp, deadline))

    return type("Connection", (connection,), {"response_class": Response})


class _InTimeHandler(request.AbstractHTTPHandler):
    """Opens what the handler beside it opens; a deadline is by ``time.monotonic``."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def do_open(self, http_class: Any, req: Any, **options: Any) -> Any:
        return super().do_open(_in_time(http_class, self._deadline), req, **options)


class InTimeHTTPHandler(_InTimeHandler, request.HTTPHandler):
    """Opens http."""


class InTimeHTTPSHandler(_InTimeHandler, request.HTTPSHandler):
    """Opens https."""
