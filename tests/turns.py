"""A proxy before PostgreSQL that counts turns: how often a client sends something and then waits.

What is sent in one pipeline is one turn, however many statements it holds. Counts, which noise does
not touch, stand for the time over a network. As over one, answers are late: so a message that is
sent and not waited for is of the same turn as the next, and not of one of its own now and then.
"""

from __future__ import annotations

import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from django.db import connections

# Seconds: longer than what a client computes between two messages of a turn.
LATENCY = 0.01
WORDS = re.compile(rb"[A-Za-z_][\x20-\x7e\n]{5,}")


@dataclass
class Turn:
    """What a client has sent before it waited."""

    link: int
    sent: bytearray = field(default_factory=bytearray)

    def __contains__(self, words: str) -> bool:
        return words.encode() in self.sent

    def __str__(self) -> str:
        said = b" ; ".join(WORDS.findall(bytes(self.sent))).decode()
        return f"{self.link}: {' '.join(said.split())[:400]}"


class Turns:
    """Forwards to the server, and keeps each turn, in the order in which they began.

    Args:
        host: where the server is.
        port: and its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._lock = threading.Lock()
        self._turns: list[Turn] = []
        self._sockets: list[socket.socket] = []
        self._clients: list[socket.socket] = []
        self._links = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def taken(self) -> list[Turn]:
        """The turns since it was last asked, with all that has been sent by now."""
        while True:
            with self._lock:
                if not any(map(_is_readable, self._clients)):
                    taken, self._turns = self._turns, []
                    return taken
            time.sleep(0)  # the thread that reads it goes first

    def close(self) -> None:
        """End everything."""
        for each in [self._socket, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._socket.accept()
                server = socket.create_connection(self._target)
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._sockets.append(each)
                self._links += 1
                self._clients.append(client)
                link = _Link(self._links)
                for pump in (self._pump_turns, self._pump_answers):
                    threading.Thread(target=pump, args=(link, client, server), daemon=True).start()

    def _pump_turns(self, link: _Link, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while client.recv(1, socket.MSG_PEEK):
                with self._lock:
                    data = client.recv(65_536)
                    if link.turn is None:
                        link.turn = Turn(link.number)
                        self._turns.append(link.turn)
                    link.turn.sent += data
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._clients.remove(client)

    def _pump_answers(self, link: _Link, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                time.sleep(LATENCY)
                with self._lock:
                    link.turn = None
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


def _is_readable(client: socket.socket) -> bool:
    """Whether something was sent that nobody has read yet."""
    return bool(select.select([client], [], [], 0)[0])


@dataclass
class _Link:
    number: int
    turn: Turn | None = None


@contextmanager
def counted() -> Iterator[Turns]:
    """Within the block, connections that are made to the default database are counted."""
    settings = connections["default"].settings_dict
    turns = Turns(settings["HOST"] or "127.0.0.1", int(settings["PORT"] or 5432))
    before = settings["HOST"], settings["PORT"]
    connections["default"].close()
    settings["HOST"], settings["PORT"] = "127.0.0.1", str(turns.port)
    try:
        yield turns
    finally:
        connections["default"].close()
        settings["HOST"], settings["PORT"] = before
        turns.close()
