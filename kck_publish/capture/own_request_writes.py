"""The writes of one context that its database session does not tell of.

A session knows what it wrote last (see ``own_session_writes``). A request may have written in
several sessions, some of them closed by now; and the same browser's earlier requests wrote in
others, which the browser itself says, by the tokens of ``request.own_writes_cookies``.
``reading.read_with_own_writes`` asks here for those that count for a read; ``statements`` notes
here which sessions may have written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import connections
from psycopg.pq import TransactionStatus

from . import own_session_writes
from .source import short

# Whether all that is committed has been handled: then nobody's writes are on their way. And the
# first transaction that nobody has begun yet: a token that names a later one is of another time.
_STATE = """
SELECT (SELECT system_identifier::text FROM pg_control_system()), pg_current_snapshot()::text,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
       (SELECT count(*) > 0 AND count(*) = min(shards) FROM kck_publish_shard)
       AND NOT EXISTS (SELECT FROM kck_publish_backlog)
       AND NOT EXISTS (
           SELECT FROM kck_publish_shard s, kck_publish_change c
            WHERE kck_publish_unseen_v1(c.xid, s.done))
"""
_LATER = "SELECT pg_current_xact_id()::text::bigint"


@dataclass(frozen=True)
class Writes:
    """Transactions of one request that wrote.

    Attributes:
        xids: one of each session. All of them began after what the browser had brought.
        sources: what they wrote, as ``sources.short`` names it; None for what is not known.
        cluster: the system identifier of the database's cluster.
        name: what the browser calls it; "" for this request's own.
    """

    xids: tuple[int, ...]
    sources: frozenset[str] | None
    cluster: str
    name: str = ""

    def touch(self, settings: Iterable[str]) -> bool:
        """Whether they wrote what these session settings stand for."""
        return self.sources is None or any(short(setting) in self.sources for setting in settings)


@dataclass(frozen=True)
class _Session:
    raw: Any
    thread: int
    known: bool  # whether all that it had written before was somebody else's for sure


class OwnWrites:
    """The known writes of one context. Threads and tasks of a request share it.

    Args:
        brought: what the browser says of its earlier requests.
        patience: how long reads of this context wait for the listener, in seconds, all together.
        lately: whether the browser had writes until a moment ago that this host has passed, and
            the near store of another one perhaps not.
    """

    def __init__(
        self, brought: Sequence[Writes] = (), patience: float = 0.0, lately: bool = False
    ) -> None:
        self.brought = list(brought)
        self.settled: list[Writes] = []
        self._patience = patience
        self._lately = lately
        self._deadline: float | None = None
        self._checked = not brought
        self._sessions: dict[int, _Session] = {}
        self._lost: list[int] = []
        self._lock = threading.RLock()

    @property
    def has_written(self) -> bool:
        """Whether any session may have written in this context."""
        return bool(self._sessions or self._lost)

    @property
    def brings(self) -> bool:
        """Whether there is, or was, anything that the session does not tell of."""
        return bool(self._lately or self.brought or self.settled or self._lost)

    def note(self, raw: Any) -> None:
        """A statement on this connection of psycopg's may have written, and is not yet counted."""
        if id(raw) not in self._sessions:
            with self._lock:
                here = threading.get_ident()
                self._sessions[id(raw)] = _Session(raw, here, own_session_writes.is_known(raw))

    def under(self, alias: str, settings: Sequence[str], shown: Callable[[str], bool]) -> list[int]:
        """The transactions under some sources that the session itself does not tell of.

        Args:
            alias: the database.
            settings: names of session settings, as the graph of products gives them.
            shown: whether what was stored up to a snapshot is what readers see.
        """
        if not settings or not (self.brought or self.has_written):
            return []
        with self._lock:
            if not self._checked:
                self._check(alias, shown)
            if self._sessions:
                self._replace_lost(alias)
        return [
            *self._lost,
            *(x for write in self.brought if write.touch(settings) for x in write.xids),
        ]

    def pass_(self, xids: Iterable[int]) -> None:
        """The listener has handled these."""
        passed = set(xids)
        with self._lock:
            self._settle([write for write in self.brought if passed.issuperset(write.xids)])
            self._lost = [xid for xid in self._lost if xid not in passed]

    def may_wait(self) -> bool:
        """Whether there is time left to wait for the listener."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._patience
        return time.monotonic() < self._deadline

    def collect(self, alias: str, settings: Sequence[str]) -> Writes | None:
        """The context's own writes that the listener may not have handled.

        What the browser brought is in it too, if it is certain that it came before.
        """
        with self._lock:
            self._replace_lost(alias, ended=True)
            xids, sources, known = list(self._lost), set[str](), True
            for session in self._sessions.values():
                if session.raw.info.transaction_status != TransactionStatus.INERROR:
                    found = own_session_writes.take(connections[alias], settings)
                    sources.update(map(short, found))
                    xids += [max(found.values())] if found else []
                    known &= session.known
            if not xids:
                return None
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
                (cluster,) = cursor.fetchone()
            everything = bool(self._lost)
            if known or everything:
                everything |= any(
                    write.sources is None for write in self.brought if write.cluster == cluster
                )
                sources.update(
                    *(write.sources or () for write in self.brought if write.cluster == cluster)
                )
                self._settle(self.brought)
            return Writes(tuple(xids), None if everything else frozenset(sources), cluster)

    def _check(self, alias: str, shown: Callable[[str], bool]) -> None:
        """Leave out what is handled, and what is not of this cluster. Asked once a request."""
        with connections[alias].cursor() as cursor:
            cursor.execute(_STATE)
            cluster, now, begun, all_handled = cursor.fetchone()
        self._checked = True
        handled = all_handled and shown(now)  # a near store may not have yet what is handled
        self._settle(
            [
                write
                for write in self.brought
                if handled or write.cluster != cluster or max(write.xids) >= begun
            ]
        )

    def _settle(self, settled: Sequence[Writes]) -> None:
        self.settled += settled
        self.brought = [write for write in self.brought if write not in settled]

    def _replace_lost(self, alias: str, ended: bool = False) -> None:
        """A transaction that begins now stands for all of a session that cannot be asked any more.

        Another thread's cannot be asked. What it writes in a transaction that goes on is committed
        later, so as long as it is not idle a later one will have to stand for it.

        Args:
            ended: whether no other thread goes on.
        """
        here, current = threading.get_ident(), connections[alias].connection
        mine = {
            key: one
            for key, one in self._sessions.items()
            if own_session_writes.alias_of(one.raw) == alias
        }
        unasked = {
            key: one for key, one in mine.items() if one.raw.closed or one.raw is not current
        }
        self._sessions = {
            key: one
            for key, one in mine.items()
            if key not in unasked or not (ended or one.thread == here or _has_ended(one.raw))
        }
        if unasked:
            with connections[alias].cursor() as cursor:
                cursor.execute(_LATER)
                self._lost = [cursor.fetchone()[0]]


def _has_ended(raw: Any) -> bool:
    """Whether a session of psycopg's is in no transaction."""
    return bool(raw.closed or raw.info.transaction_status == TransactionStatus.IDLE)


_current: ContextVar[OwnWrites | None] = ContextVar("kck_publish_own_writes", default=None)
# That of the request that runs here, if it keeps any. Each read asks: it is no function of ours.
current = _current.get
activate = _current.set
restore = _current.reset
