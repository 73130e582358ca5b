"""Serves the example's pages until SIGTERM, on port 8000 or, if that is taken, on a free one.

Started by the demo as a process of its own. Prints ``serving <address>`` once it answers.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

HOST, PORT = "127.0.0.1", 8000


def main() -> None:
    """Serve."""
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_app.settings")
    if importlib.util.find_spec("uvicorn"):
        _serve_streams()
    else:
        _serve_pages()


def _serve_streams() -> None:
    """By ASGI: pages are told of new versions."""
    import uvicorn

    from example_app.asgi import application

    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, PORT))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        listening.bind((HOST, 0))
    listening.listen()
    config = uvicorn.Config(
        application, log_level="error", lifespan="off", timeout_graceful_shutdown=2
    )
    print(f"serving http://{HOST}:{listening.getsockname()[1]}/", flush=True)
    uvicorn.Server(config).run(sockets=[listening])


def _serve_pages() -> None:
    """By WSGI: pages look each second."""
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

    from example_app.wsgi import application

    class QuietHandler(WSGIRequestHandler):
        """Does not print a line for each of the pages' looks a second."""

        def log_message(self, format: str, *args: Any) -> None:
            pass

    def listen(port: int) -> ThreadedWSGIServer:
        return ThreadedWSGIServer((HOST, port), QuietHandler)

    try:
        server = listen(PORT)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        server = listen(0)
    server.daemon_threads = True
    server.set_app(application)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"serving http://{HOST}:{server.server_address[1]}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
