"""The statements that connections have prepared: what comes again is, under a name of ours.

psycopg's own bookkeeping serves its cursors alone. Where it prepares too, it says DEALLOCATE ALL
after a rollback, and throws ours away: see ``postgres.connect`` and ``stores.pipelined.prepares``.
"""

from __future__ import annotations

from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName

from ..postgres import PREPARE

# How many statements a connection keeps prepared at the most.
KEPT = 200
# After so many round trips their plans are made anew, and then after as many again, and so on: the
# tables may have grown, and a scan of the whole may have been cheapest before.
FRESH = 32
# What a prepared statement fails with that is gone, or whose table is another by now.
STALE = (InvalidSqlStatementName, FeatureNotSupported)
# The server's command tags of what throws all of them away.
_DISCARDING = ("DISCARD ALL", "DEALLOCATE ALL")

# A statement, and the types of its parameters.
Key = tuple[bytes, tuple[int, ...]]


class _Known(dict[Key, int | bytes]):
    """By statement: how often it was sent, or the name that it is prepared under."""

    round_trips = 0


_known: WeakKeyDictionary[psycopg.Connection[Any], _Known] = WeakKeyDictionary()
_numbers = count(1)


def note(connection: psycopg.Connection[Any], tag: str | None) -> None:
    """A statement has run that the server has answered with this tag."""
    if tag in _DISCARDING:
        _known.get(connection, {}).clear()


class Prepared:
    """What one connection has sent, whichever round trip did.

    Args:
        connection: psycopg's.

    Attributes:
        is_on: whether anything is prepared.
    """

    def __init__(self, connection: psycopg.Connection[Any], is_on: bool) -> None:
        self.is_on = is_on
        self._known = _known.setdefault(connection, _Known()) if is_on else _Known()

    def is_due(self, key: Key) -> bool:
        """Whether a statement is to be prepared when it is sent next."""
        times = self._known.get(key, 0)
        return (
            self.is_on
            and isinstance(times, int)
            and times + 1 >= PREPARE
            and (times > 0 or len(self._known) < KEPT)
        )

    def name(self, key: Key) -> tuple[bytes | None, bool]:
        """The name to send a statement by, and whether it is new; None: it is not prepared.

        Counts how often the statement is sent.
        """
        times = self._known.get(key, 0)
        if isinstance(times, bytes):
            return times, False
        if self.is_due(key):
            self._known[key] = name = b"kck_%d" % next(_numbers)
            return name, True
        if self.is_on and (times or len(self._known) < KEPT):
            self._known[key] = times + 1
        return None, False

    def are_old(self) -> bool:
        """Whether the plans are to be made anew. Counts a round trip."""
        self._known.round_trips = times = self._known.round_trips + 1
        return self.is_on and times >= FRESH and times & (times - 1) == 0

    def failed(self, key: Key) -> None:
        """The server could not prepare it."""
        self._known.pop(key, None)

    def forget(self) -> None:
        """The server has none of them any more, or they fit no more."""
        self._known.clear()
