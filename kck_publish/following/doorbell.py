"""The doorbell: how a sleeping listener is woken, without every writer ringing it.

NOTIFY holds a lock of the whole cluster at commit. So the listener says in a table when it
sleeps, and only then do writers ring. To fall asleep it says so, and goes on looking until all
transactions that may have read the old word have ended.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from ..conf import settings
from ..postgres import Asked
from ..round_trip import Answer, RoundTrip, together

logger = logging.getLogger("kck_publish")

# The channel, as the SQL function that rings names it.
CHANNEL = "SELECT 'kck_publish_' || 'kck_publish_listener'::regclass::oid"
# How long a ring of our own may take to be heard, in seconds.
PATIENCE = 5.0
# Rings that nobody waits for are read this often, in seconds.
EMPTIED = 1.0

# A word to writers above READ COMMITTED, which may not see who sleeps: nobody does (RING).
_QUIET = """
INSERT INTO kck_publish_listener (name, kind, backend) SELECT 'RING', 'quiet', 0
 WHERE NOT EXISTS (SELECT FROM kck_publish_listener WHERE kind = 'quiet')
"""
_FLAG = """
UPDATE kck_publish_listener SET asleep = %s, seen_at = clock_timestamp()
 WHERE id = %s AND asleep <> %s
"""
_RUNNING = "SELECT array(SELECT pg_snapshot_xip(pg_current_snapshot())::text::bigint)"
_RUNG = "DELETE FROM kck_publish_listener WHERE kind = 'quiet'"


class Doorbell:
    """One listener's row in the table, and its LISTEN connection.

    Args:
        connect: opens a connection of the listener's own, in autocommit.
        desk: the connection on which the listener writes.
        name: of the listener, for ``kck_status``.
        listen: False to only ever poll (through a pooler LISTEN is silently useless).
        kind: ``near`` for who follows the store and owns no shards.

    Attributes:
        others_rang: whether the last ring was not only that of our own desk, which mostly tells
            others of what we have stored.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        desk: psycopg.Connection[Any],
        name: str,
        listen: bool = True,
        kind: str = "listener",
    ) -> None:
        self._connect = connect
        self._desk = desk
        self.name = name
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._hears = False  # until it is proved
        self.others_rang = False
        self._emptied = 0.0
        self._says_asleep = False
        self._ear: psycopg.Connection[Any] | None = None
        self._hearing, self._deaf = selectors.DefaultSelector(), selectors.DefaultSelector()
        self.hear(self._woken)
        try:
            desk.execute(_RUNG if settings.RING else _QUIET)
            if listen and settings.RING:
                self._listen()
            cursor = desk.execute(
                "INSERT INTO kck_publish_listener (name, kind, backend) "
                "VALUES (%s, %s, pg_backend_pid()) RETURNING id",
                [name, kind],
            )
            row = cursor.fetchone()
        except BaseException:  # nobody has a bell to close
            self._let_go()
            raise
        assert row is not None
        self.id: int = row[0]

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

    def asleep(self, *look: Asked) -> tuple[frozenset[int], list[list[Any]]]:
        """Have writers ring from now on; the transactions that may not have read so.

        A snapshot lists the running transactions below its xmax, and that is past the youngest
        one that has ended. So a transaction of our own is ended first, whose number is younger
        than those of all that have read the flag before.

        Args:
            look: what is asked after all this, for the same wait.

        Returns:
            the numbers of the transactions, and the rows of what was asked.
        """
        self._rung()  # whoever has rung so far has committed, and is looked for
        self._says_asleep = True
        with together(self._desk) as trip:
            self._flag(trip, True)
            _alone(trip, "SELECT pg_current_xact_id()")
            running = trip.execute(_RUNNING)
            seen = [trip.execute(*query) for query in look]
        return _numbers(running), [answer.fetchall() for answer in seen]

    def awake(self) -> None:
        """Have nobody ring any more: the log is looked at all the time."""
        if self._says_asleep:
            with together(self._desk) as trip:
                self._flag(trip, False)
            self._says_asleep = False

    def _flag(self, trip: RoundTrip, asleep: bool) -> None:
        _alone(trip, _FLAG, [asleep, self.id, asleep])

    def running(self) -> frozenset[int]:
        """The transactions that are running now, as far as the snapshot lists them."""
        return _numbers(self._desk.execute(_RUNNING))

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

    def close(self) -> None:
        """Leave the table, so that nobody rings for us."""
        try:
            with suppress(psycopg.Error):  # the connection may be what was lost
                self._desk.execute("DELETE FROM kck_publish_listener WHERE id = %s", [self.id])
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._ear is not None:
            self._ear.close()
        for selector in (self._hearing, self._deaf):
            selector.close()
        self._wake.close()
        self._woken.close()


def _alone(trip: RoundTrip, query: LiteralString, parameters: Sequence[Any] = ()) -> None:
    """Run a statement in a transaction of its own, which has ended when the next one runs."""
    trip.execute("BEGIN")
    trip.execute(query, parameters)
    trip.execute("COMMIT")


def _numbers(answer: Answer | psycopg.Cursor[Any]) -> frozenset[int]:
    return frozenset(number for (numbers,) in answer.fetchall() for number in numbers)


def listener_name() -> str:
    """Host and process, as ``kck_status`` shows them."""
    return f"{socket.gethostname()}:{os.getpid()}"
