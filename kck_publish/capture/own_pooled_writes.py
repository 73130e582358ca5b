"""The own writes of a client of a transaction pooler, whose sessions keep no mark for it.

The mark that a trigger leaves in a session (see ``own_session_writes``) is of whoever gets that
session next. So here the client itself remembers the transactions in which it may have written,
asked for before each of them ends; what they wrote, the change log says. What the log does not hold
any more has been handled.

A pooler answers for a connection with a process number of its own, not with the server's: that is
how one is found when the setting POOLER does not say. One in session mode looks the same, and is
taken for one in transaction mode: nothing is missed, and some queries are made in vain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from psycopg import Cursor
from psycopg.pq import TransactionStatus

from .. import conf
from .source import wrote_setting

#: What is under the journal that near stores follow, as the triggers name it.
STORED = "kck_publish.stored"
# How many transactions are remembered before the log is asked.
_LIMIT = 100
_CURRENT = "SELECT pg_current_xact_id_if_assigned()::text::bigint"
_LATER = "SELECT pg_current_xact_id()::text::bigint"
_WROTE = """
SELECT xid::text::bigint, source FROM kck_publish_change
 WHERE xid = ANY (%(xids)s::text[]::xid8[]) AND op <> 'refreshed' GROUP BY xid, source
UNION ALL
SELECT xid::text::bigint, NULL FROM kck_publish_copy
 WHERE xid = ANY (%(xids)s::text[]::xid8[]) GROUP BY xid
"""
# The connections of psycopg's on which the server itself is known to answer.
_direct: WeakSet[Any] = WeakSet()
# Whether a pooler answers there: by host and port.
_detected: dict[tuple[str, int], bool] = {}


@dataclass(slots=True)
class _Client:
    """The writes of one client of a pooler.

    Attributes:
        transactions: in which it may have written; the log has not been asked.
        wrote: the last transaction by session setting, as the marks of a session say it.
        anything: a transaction that began after some whose number is not known.
    """

    transactions: list[int] = field(default_factory=list)
    wrote: dict[str, int] = field(default_factory=dict)
    anything: int | None = None


_clients: WeakKeyDictionary[Any, _Client] = WeakKeyDictionary()
_has_clients = False


def watch(raw: Any, alias: str) -> None:
    """Remember the writes of this connection of psycopg's, if it is a pooler's."""
    values = conf.current().values
    if alias != values.DATABASE:
        return
    if values.POOLER == "transaction" or (values.POOLER is None and _is_a_poolers(raw)):
        global _has_clients
        _has_clients = True
        _clients.setdefault(raw, _Client())
    else:
        _clients.pop(raw, None)
        if values.POOLER is None:
            _direct.add(raw)


def are_any() -> bool:
    """Whether this process has ever had a pooler's connection."""
    return _has_clients


def is_direct(raw: Any) -> bool:
    """Whether nothing is between this connection and its session: what is prepared stays there."""
    return raw in _direct


def is_pooled(raw: Any) -> bool:
    """Whether the marks in the session of a connection say nothing."""
    return _has_clients and raw is not None and raw in _clients


def record(raw: Any) -> None:
    """A statement that may have written has run, in a transaction that is still open."""
    client = _clients.get(raw)
    if client is None or raw.info.transaction_status != TransactionStatus.INTRANS:
        return
    xid = _value(raw, _CURRENT)
    if xid is not None and xid not in client.transactions[-1:]:
        if len(client.transactions) >= _LIMIT:
            _ask(raw, client)
        client.transactions.append(xid)


def record_ended(raw: Any) -> None:
    """Statements may have written in transactions that have ended unseen."""
    client = _clients.get(raw)
    if client is not None and raw.info.transaction_status == TransactionStatus.IDLE:
        client.anything = _value(raw, _LATER)
        if not raw.autocommit:
            raw.rollback()


def last_writes(raw: Any, names: Sequence[str]) -> dict[str, int | None]:
    """The last transaction of this client that wrote, by session setting."""
    client = _clients[raw]
    wrote = _ask(raw, client) if client.transactions else client.wrote
    least = client.anything or 0
    return {name: max(wrote.get(name, 0), least) or None for name in names}


def forget(raw: Any, names: Iterable[str], xids: Iterable[int]) -> None:
    """The listener has handled these transactions."""
    client, last = _clients[raw], max(xids)
    for name in names:
        if client.wrote.get(name, 0) <= last:
            client.wrote.pop(name, None)
    if client.anything is not None and client.anything <= last:
        client.anything = None


def _ask(raw: Any, client: _Client) -> dict[str, int]:
    """The log's answer; the log is asked again for a transaction that has not ended."""
    rows = Cursor(raw).execute(_WROTE, {"xids": list(map(str, client.transactions))}, prepare=False)
    is_open = client.transactions[-1] == _value(raw, _CURRENT)
    wrote = dict(client.wrote)
    for xid, source in sorted(rows, key=itemgetter(0)):
        name = STORED if source is None else wrote_setting(source)
        wrote[name] = xid
        if not (is_open and xid == client.transactions[-1]):
            client.wrote[name] = max(xid, client.wrote.get(name, 0))
    client.transactions = client.transactions[-1:] if is_open else []
    return wrote


def _is_a_poolers(raw: Any) -> bool:
    address = raw.info.host, raw.info.port
    if address not in _detected:
        _detected[address] = _value(raw, "SELECT pg_backend_pid()") != raw.info.backend_pid
        if not raw.autocommit:
            raw.rollback()
    return _detected[address]


def _value(raw: Any, query: str) -> Any:
    row = Cursor(raw).execute(query, prepare=False).fetchone()
    return row[0] if row else None
