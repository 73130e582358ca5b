"""A client of Server-Sent Events over a plain socket, and a server in a thread."""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import uvicorn
from django.core.asgi import get_asgi_application

from kck_publish.contrib.live import close_hub, live


@dataclass(frozen=True)
class Received:
    """One event."""

    event: str
    data: Any
    id: str | None

    @property
    def value(self) -> Any:
        return self.data.get("value")

    @property
    def version(self) -> int:
        return int(self.data["version"])


class Stream:
    """One open stream.

    Args:
        port: of the server.
        keys: those that are watched.
        query: other parameters of the URL.
        headers: of the request.
    """

    def __init__(
        self,
        port: int,
        *keys: str,
        query: list[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = "/live/",
        buffer: int | None = None,
    ) -> None:
        self._socket = socket.socket()
        if buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            self._begin(port, [("key", key) for key in keys] + (query or []), headers, path)
        except BaseException:
            self._socket.close()
            raise

    def _begin(
        self,
        port: int,
        pairs: list[tuple[str, str]],
        headers: Mapping[str, str] | None,
        path: str,
    ) -> None:
        """Ask, and read the head of the answer."""
        self._socket.connect(("127.0.0.1", port))
        lines = [f"GET {path}?{urlencode(pairs)} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._data = b""
        self.comments: list[str] = []
        self.last_id: str | None = None
        self._rest = ""
        self._inflate: Any = None
        while b"\r\n\r\n" not in self._data:
            self._receive(10)
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        first, *fields = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {
            name.title(): value for name, _, value in (field.partition(": ") for field in fields)
        }
        self.text = ""
        if self.status != 200:
            with suppress(EOFError):
                while "Content-Length" not in self.headers:
                    self.text += self._chunk(10).decode()
                while len(self._data) < int(self.headers["Content-Length"]):
                    self._receive(10)
                self.text = self._data.decode()
            self.close()
        elif self.headers.get("Content-Encoding") == "gzip":
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def _receive(self, seconds: float) -> None:
        """More of the bytes. Raises TimeoutError; EOFError at their end."""
        self._socket.settimeout(seconds)
        data = self._socket.recv(65536)
        if not data:
            raise EOFError
        self._data += data

    def _chunk(self, seconds: float) -> bytes:
        """The next chunk of the body."""
        end = time.monotonic() + seconds
        while True:
            size, found, rest = self._data.partition(b"\r\n")
            length = int(size, 16) if found else 0
            if found and len(rest) >= length + 2:
                self._data = rest[length + 2 :]
                if not length:
                    raise EOFError
                return rest[:length]
            if (left := end - time.monotonic()) <= 0:
                raise TimeoutError
            self._receive(left)

    def next(self, seconds: float = 10.0) -> Received:
        """The next event. Raises TimeoutError; EOFError where the stream has ended."""
        end = time.monotonic() + seconds
        while True:
            block, found, rest = self._rest.partition("\n\n")
            if found:
                self._rest = rest
                if (event := self._parsed(block)) is not None:
                    return event
                continue
            data = self._chunk(max(end - time.monotonic(), 0.001))
            if self._inflate is not None:
                data = self._inflate.decompress(data)
            self._rest += data.decode()

    def silent(self, seconds: float = 0.3) -> bool:
        """Whether no event comes for so long."""
        try:
            self.next(seconds)
        except TimeoutError:
            return True
        return False

    def _parsed(self, block: str) -> Received | None:
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            if line.startswith(":"):
                self.comments.append(line[1:].strip())
                continue
            name, _, value = line.partition(": ")
            fields[name] = value
        if "data" not in fields:
            return None
        if "id" in fields:
            self.last_id = fields["id"]
        return Received(
            fields.get("event", "message"), json.loads(fields["data"]), fields.get("id")
        )

    def close(self) -> None:
        """Cut it off."""
        self._socket.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def serving(application: Any = None, port: int = 0) -> Iterator[int]:
    """A server in a thread; its port. It and the hub end with the block."""
    if application is None:
        application = live(get_asgi_application())
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        application, log_level="warning", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield listening.getsockname()[1]
    finally:
        close_hub()
        server.should_exit = True
        thread.join(20)
        listening.close()
