"""The ear of a sleeping listener: a connection that LISTENs, and what else ends a wait."""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql

logger = logging.getLogger("kck_publish")

# The channel, as the SQL function that rings names it.
CHANNEL = "SELECT 'kck_publish_' || 'kck_publish_listener'::regclass::oid"
# How long a ring of our own may take to be heard, in seconds.
PATIENCE = 5.0
# Rings that nobody waits for are read this often, in seconds.
EMPTIED = 1.0


class Ear:
    """Waits for rings, for ``wake``, and for sockets that others read.

    Args:
        connect: opens a connection of the listener's own, in autocommit.
        desk: the connection on which the listener writes.

    Attributes:
        others_rang: whether the last ring was not only that of our own desk, which mostly tells
            others of what we have stored.
    """

    def __init__(
        self, connect: Callable[[], psycopg.Connection[Any]], desk: psycopg.Connection[Any]
    ) -> None:
        self._connect = connect
        self._desk = desk
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._hears = False  # until it is proved
        self.others_rang = False
        self._emptied = 0.0
        self._ear: psycopg.Connection[Any] | None = None
        self._hearing, self._deaf = selectors.DefaultSelector(), selectors.DefaultSelector()
        self.hear(self._woken)

    @property
    def can_sleep(self) -> bool:
        """Whether anybody could wake us."""
        return self._ear is not None and self._hears

    def prove(self) -> bool:
        """Whether LISTEN works here: ring, and hear it.

        A connection that has become deaf (half-open: its packets are dropped and nobody is told)
        is given up for a new one, after which the log has to be looked at.
        """
        if self._ear is None:
            return True
        heard = self._hears
        if self._hears_itself():
            return True
        self._listen()
        if not heard or not self._hears_itself():
            return False
        logger.warning("LISTEN had become deaf: it has a new connection.")
        return True

    def _listen(self) -> None:
        """LISTEN on a new connection, in place of the one there was."""
        ear = self._connect()
        try:
            ear.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel())))
        except BaseException:
            ear.close()
            raise
        if self._ear is not None:
            self._hearing.unregister(self._ear.fileno())
            self._ear.close()
        self._ear = ear
        self._hearing.register(ear.fileno(), selectors.EVENT_READ)

    def _channel(self) -> str:
        row = self._desk.execute(CHANNEL).fetchone()
        assert row is not None
        return str(row[0])

    def _hears_itself(self) -> bool:
        self._desk.execute("SELECT pg_notify(%s, '')", [self._channel()])
        end = time.monotonic() + PATIENCE
        self._hears = False
        while not self._hears and (left := end - time.monotonic()) > 0:
            self._hears = self.wait(left)
        return self._hears

    def wait(self, seconds: float) -> bool:
        """Wait for a ring, or until ``wake`` is called; whether somebody rang."""
        return self._select(self._hearing, seconds) and self._rung()

    def pause(self, seconds: float) -> None:
        """Wait as long, or until ``wake`` is called, and then look: whoever rings need not wait.

        Rings are let go by now and then. Unread they would fill the server's queue.
        """
        self._select(self._deaf, seconds)
        if time.monotonic() - self._emptied > EMPTIED:
            self._emptied = time.monotonic()
            while self._rung() and time.monotonic() - self._emptied < EMPTIED:
                pass

    def _select(self, selector: selectors.BaseSelector, seconds: float) -> bool:
        events = selector.select(max(seconds, 0))
        if any(key.fileobj is self._woken for key, _ in events):
            self._woken.recv(4096)
        return bool(events)

    def hear(self, other: socket.socket) -> None:
        """End a wait also when there is something to read here; its reading is the caller's."""
        for selector in (self._hearing, self._deaf):
            selector.register(other, selectors.EVENT_READ)

    def _rung(self) -> bool:
        if self._ear is None:
            return False
        sessions = {ring.pid for ring in self._ear.notifies(timeout=0)}
        self.others_rang = not sessions <= {self._desk.info.backend_pid}
        return bool(sessions)

    def wake(self) -> None:
        """End a ``wait``; may be called from a signal handler, and after ``close``."""
        with suppress(OSError):  # full: it is awake; closed in between: nobody waits
            self._wake.send(b"!")

    def _let_go(self) -> None:
        if self._ear is not None:
            self._ear.close()
        for selector in (self._hearing, self._deaf):
            selector.close()
        self._wake.close()
        self._woken.close()
