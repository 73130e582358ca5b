"""A TCP proxy that stands between a client and PostgreSQL, and makes the network's faults.

    with Proxy(server.host, server.port) as proxy:
        psycopg.connect(host="127.0.0.1", port=proxy.port, ...)
        proxy.cut()      # every connection is reset
        proxy.freeze()   # every packet is dropped, and nobody is told
        proxy.gone = True  # and new connections are reset too

It knows nothing of PostgreSQL but the text that goes by; a ``Link`` tells by it whose it is.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST
CHUNK = 65_536
REMEMBERED = 1_000_000  # bytes of what a client has said


class Link:
    """One client's connection through the proxy."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client, self._server = client, server
        self._said = bytearray()
        self._flows = threading.Event()
        self._flows.set()
        self._deaf = self._ended = False
        self.open = True
        for source, target, asks in ((client, server, True), (server, client, False)):
            threading.Thread(target=self._pump, args=(source, target, asks), daemon=True).start()

    def said(self, words: bytes) -> bool:
        """Whether the client has sent this."""
        return words in self._said

    def cut(self) -> None:
        """Reset both sides: what is on its way is lost."""
        self.open = False
        self._flows.set()
        for one in (self._client, self._server):
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads here
            with suppress(OSError):
                one.close()

    def freeze(self) -> None:
        """From now on nothing arrives on either side, and neither side is told."""
        self._flows.clear()

    def thaw(self) -> None:
        """What was held arrives."""
        self._flows.set()

    def _pump(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if asks:
                    self._said += data
                    del self._said[:-REMEMBERED]
                arrives = self._proxy.ordered(data) if asks else None
                if arrives is False:
                    self._ended = True
                    break
                if arrives:
                    self._deaf = True
                elif not asks and self._deaf:
                    break  # the server has done it, and the client will never know
                self._flows.wait()
                target.sendall(data)
        if self.open:
            self.cut()
        if self._ended or (self._deaf and not asks):
            self._proxy.cut_short.set()


class Proxy(AbstractContextManager["Proxy", None]):
    """Forwards what comes to ``port`` on 127.0.0.1, or does not.

    Args:
        host: where the server is.
        port: and its port.

    Attributes:
        gone: new connections are reset at once, as if there were no server.
        frozen: new connections are taken, and nothing is forwarded.
        refused: how many connections came while it was gone.
        cut_short: a statement has been cut, see ``cut_at``.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._links: list[Link] = []
        self._cuts: list[tuple[bytes, bool]] = []
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.gone = self.frozen = False
        self.refused = 0
        self.cut_short = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def links(self, which: Callable[[Link], bool] = lambda link: True) -> list[Link]:
        """The open connections, or some of them."""
        with self._lock:
            return [link for link in self._links if link.open and which(link)]

    def cut(self, which: Callable[[Link], bool] = lambda link: True) -> int:
        """Reset the open connections, or some of them; how many."""
        links = self.links(which)
        for link in links:
            link.cut()
        return len(links)

    def freeze(self) -> None:
        """Drop every packet, of connections to come as well."""
        self.frozen = True
        for link in self.links():
            link.freeze()

    def lead_to(self, host: str, port: int) -> None:
        """Fail over: connections are to another server from now on."""
        self._target = (host, port)
        self.cut()

    def cut_at(self, words: bytes, arrives: bool) -> None:
        """Reset the connection on which a client next says this; ``cut_short`` is set then.

        Args:
            words: of a statement.
            arrives: whether the server gets the statement, and only its answer is lost.
        """
        self.cut_short.clear()
        with self._lock:
            self._cuts.append((words, arrives))

    def ordered(self, data: bytes) -> bool | None:
        """Whether a statement that ends its connection still arrives; None for any other."""
        with self._lock:
            for order in self._cuts:
                words, arrives = order
                if words in data:
                    self._cuts.remove(order)
                    return arrives
        return None

    def close(self) -> None:
        """End everything."""
        self.gone = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()
        self.cut()

    def __exit__(self, *error: object) -> None:
        self.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._socket.accept()
                try:
                    if self.gone:
                        raise ConnectionRefusedError
                    server = socket.create_connection(self._target)
                except OSError:
                    self.refused += 1
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    client.close()
                    continue
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                link = Link(self, client, server)
                if self.frozen:
                    link.freeze()
                with self._lock:
                    self._links = [one for one in self._links if one.open] + [link]
