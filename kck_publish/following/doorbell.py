"""The doorbell: how a sleeping listener is woken, without every writer ringing it.

NOTIFY holds a lock of the whole cluster at commit. So the listener says in a table when it
sleeps, and only then do writers ring. To fall asleep it says so, and goes on looking until all
transactions that may have read the old word have ended.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, LiteralString

import psycopg

from ..conf import settings
from ..postgres import Asked
from ..round_trip import Answer, RoundTrip, together
from .ear import Ear

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


class Doorbell(Ear):
    """One listener's row in the table, and its ear.

    Args:
        connect: opens a connection of the listener's own, in autocommit.
        desk: the connection on which the listener writes.
        name: of the listener, for ``kck_status``.
        listen: False to only ever poll (through a pooler LISTEN is silently useless).
        kind: ``near`` for who follows the store and owns no shards.

    Attributes:
        says_asleep: whether writers have been told to ring.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        desk: psycopg.Connection[Any],
        name: str,
        listen: bool = True,
        kind: str = "listener",
    ) -> None:
        super().__init__(connect, desk)
        self.name = name
        self.says_asleep = False
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
        self.says_asleep = True
        with together(self._desk) as trip:
            self._flag(trip, True)
            _alone(trip, "SELECT pg_current_xact_id()")
            running = trip.execute(_RUNNING)
            seen = [trip.execute(*query) for query in look]
        return _numbers(running), [answer.fetchall() for answer in seen]

    def awake(self) -> None:
        """Have nobody ring any more: the log is looked at all the time."""
        if self.says_asleep:
            with together(self._desk) as trip:
                self._flag(trip, False)
            self.says_asleep = False

    def _flag(self, trip: RoundTrip, asleep: bool) -> None:
        _alone(trip, _FLAG, [asleep, self.id, asleep])

    def running(self) -> frozenset[int]:
        """The transactions that are running now, as far as the snapshot lists them."""
        return _numbers(self._desk.execute(_RUNNING))

    def close(self) -> None:
        """Leave the table, so that nobody rings for us."""
        try:
            with suppress(psycopg.Error):  # the connection may be what was lost
                self._desk.execute("DELETE FROM kck_publish_listener WHERE id = %s", [self.id])
        finally:
            self._let_go()


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
