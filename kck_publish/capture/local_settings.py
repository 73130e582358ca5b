"""The context's statements about its writes, as settings of the transaction that writes.

The capture triggers read two settings: which tables are suppressed (see ``trigger_function_sql``),
and the origin. The log itself reads a third, the traceparent of the writer (see migration 0004).
They are set for one transaction only, right before a statement that may write: a session may be
shared, by the tasks of an event loop or by the clients of a pooler, and outlives the block. What a
rollback to a savepoint undoes, the next statement sets again, so nothing is remembered here but
that the transaction holds settings at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple
from weakref import WeakSet

from psycopg import Cursor
from psycopg.pq import TransactionStatus

_SET = """
SELECT set_config('kck_publish.suppress', %s, true), set_config('kck_publish.origin', %s, true),
       set_config('kck_publish.trace', %s, true)
"""
_EVERYTHING = "*"
# Between an origin and the topics that are told nothing, in the setting and in the log.
_UNTOLD = ";untold="
ALL_TOPICS = frozenset({"*"})
_OVER = (TransactionStatus.INERROR, TransactionStatus.UNKNOWN)


class Local(NamedTuple):
    """The settings of one context.

    Attributes:
        suppressed: the tables whose changes are not captured; None for all.
        origin: the writer's name; "" for none.
        untold: the topics that relays tell nothing of it.
        trace: the writer's traceparent; "" for none.
    """

    suppressed: frozenset[str] | None = frozenset()
    origin: str = ""
    untold: frozenset[str] = frozenset()
    trace: str = ""

    @property
    def texts(self) -> tuple[str, str, str]:
        """The values of the settings."""
        topics = _UNTOLD + ",".join(sorted(self.untold)) if self.untold else ""
        origin = self.origin + topics
        if self.suppressed is None:
            return _EVERYTHING, origin, self.trace
        return "".join(f"|{table}|" for table in sorted(self.suppressed)), origin, self.trace


def told_of(origin: str | None) -> tuple[str | None, frozenset[str]]:
    """The origin that a row of the log has, and the topics that are told nothing of it."""
    if origin is None or _UNTOLD not in origin:
        return origin, frozenset()
    own, _, topics = origin.rpartition(_UNTOLD)
    return own or None, frozenset(topics.split(","))


NOTHING = Local()
current: ContextVar[Local] = ContextVar("kck_publish_local_settings", default=NOTHING)
# The sessions whose transaction holds, or may get back, settings that are not empty.
_holding: WeakSet[Any] = WeakSet()
_has_held = False
# Tells the traceparent of the current span, or ""; None: nobody traces.
traced: Callable[[], str] | None = None


def _local() -> Local:
    local = current.get()
    if traced is not None and (trace := traced()):
        return local._replace(trace=trace)
    return local


def concerns(raw: Any) -> bool:
    """Whether the next statement on a connection of psycopg's may have to be told its settings."""
    local = _local()
    if local is NOTHING and not _has_held:  # as in a process that never uses a block
        return False
    return local != NOTHING or raw in _holding


def put(raw: Any) -> None:
    """Set what this context says, in the transaction that is open, or that psycopg opens now."""
    status = raw.info.transaction_status
    if status == TransactionStatus.IDLE:
        _holding.discard(raw)
    local = _local()
    if status in _OVER or (local == NOTHING and raw not in _holding):
        return
    if local != NOTHING:
        global _has_held
        _has_held = True
        _holding.add(raw)
    Cursor(raw).execute(_SET, local.texts, prepare=False)


def lift(raw: Any) -> None:
    """End what a block has said, at once: the commit itself may fire deferred triggers."""
    if raw in _holding and raw.info.transaction_status == TransactionStatus.INTRANS:
        put(raw)


@contextmanager
def own_transaction(raw: Any) -> Iterator[None]:
    """A transaction around one statement, where it would have none that outlives it."""
    if raw.autocommit and raw.info.transaction_status == TransactionStatus.IDLE:
        with raw.transaction():
            yield
    else:
        yield
