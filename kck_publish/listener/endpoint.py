"""A small HTTP server in the listener's process, in a thread of its own: health, and metrics."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from ..exceptions import ConfigurationError
from .heartbeat import Heartbeat


class Reply(NamedTuple):
    """What is answered."""

    status: int
    content_type: str
    body: bytes


Routes = Mapping[str, Callable[[], Reply]]


def health_routes(heartbeat: Heartbeat) -> Routes:
    """``/live`` and ``/ready``: 200, or 503."""

    def reply(good: bool) -> Reply:
        body = json.dumps(heartbeat.as_dict()).encode()
        return Reply(200 if good else 503, "application/json", body)

    return {"/live": lambda: reply(heartbeat.is_live), "/ready": lambda: reply(heartbeat.is_ready)}


def address_of(text: str) -> tuple[str, int]:
    """HOST:PORT, as ``127.0.0.1:9000`` or ``[::1]:9000``; without HOST, all of them.

    Raises:
        ConfigurationError: it is nothing of the kind.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(
            f"An address is HOST:PORT, for instance 127.0.0.1:9000, not {text}."
        )
    return host.strip("[]"), int(port)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    routes: Routes


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # of a client that says nothing

    def do_GET(self) -> None:
        route = self.server.routes.get(self.path.partition("?")[0])
        reply = route() if route else Reply(404, "text/plain", b"Not here.\n")
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *arguments: object) -> None:
        """No line a question."""


@contextmanager
def serving(text: str, routes: Routes, say: Callable[[str], None]) -> Iterator[tuple[str, int]]:
    """Within the block these are served at HOST:PORT; the port that it is, when 0 was asked for.

    Raises:
        ConfigurationError: the address is none, or cannot be had.
    """
    host, port = address_of(text)
    try:
        server = (_Server6 if ":" in host else _Server)((host, port), _Handler)
    except OSError as error:
        raise ConfigurationError(f"{text} cannot be listened on: {error}.") from error
    server.routes = routes
    thread = threading.Thread(
        target=server.serve_forever, args=(0.1,), daemon=True, name="kck-http"
    )
    thread.start()
    bound = str(server.server_address[0]), int(server.server_address[1])
    where = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    say(f"kck_listen serves {', '.join(sorted(routes))} at http://{where}:{bound[1]}")
    try:
        yield bound
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
