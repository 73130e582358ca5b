"""Which sessions may have written, and what of that the server has said already.

A trigger leaves the number of a writing transaction in a setting of the session (see
``trigger_function_sql``). The PostgreSQL store asks for it with each read, at no cost. A store that
is read without asking PostgreSQL must not pay a round trip only to learn that nothing was written:
``statements`` notes here each statement that may have written, and a session that has made none
since it was last asked is not asked again.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import search_path
from . import own_async_writes, own_pooled_writes

_WROTE = """
SELECT name, nullif(current_setting(name, true), '')::bigint FROM unnest(%s::text[]) AS t(name)
"""


@dataclass(slots=True)
class Mark:
    """The known writes of one session.

    Attributes:
        statements: how many statements may have written.
        clean: by setting, the number of statements after which it was found empty. A rollback
            cannot fill it again with a write that still counts.
        alias: of Django's connection.
        taken: by setting, the last transaction that was taken for somebody's own (see ``take``).
        taken_at: how many statements there were then.
    """

    alias: str
    statements: int = 0
    clean: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    taken_at: int = 0


_marks: weakref.WeakKeyDictionary[Any, Mark] = weakref.WeakKeyDictionary()


class _Here(threading.local):
    """The known writes of the sessions that this thread uses.

    Attributes:
        quiet: the products under which none of them has written anything that counts. A statement
            that may have written begins a new set: who is just looking adds to the old one.
    """

    def __init__(self) -> None:
        self.quiet: set[str] = set()


here = _Here()


def unsettle() -> None:
    """Look again at what was found quiet: a product stands on more than was thought."""
    global here
    here = _Here()


def _doubt() -> None:
    here.quiet = set()  # that was found with the near store of another schema


search_path.subscribers.append(_doubt)


def watch(raw: Any, alias: str) -> None:
    """Each statement of this session will be noted from now on."""
    _marks.setdefault(raw, Mark(alias))  # a pool gives a session again, with its mark


def note(raw: Any) -> None:
    """A statement of this session may have written."""
    here.quiet = set()
    own_async_writes.note()
    mark = _marks.get(raw)
    if mark is not None:
        mark.statements += 1


def may_have_written(raw: Any) -> bool:
    """Whether a session has ever made a statement that may have written, or is not watched."""
    mark = _marks.get(raw)
    return mark is None or mark.statements > 0


def last_write(connection: BaseDatabaseWrapper, settings: Sequence[str]) -> int | None:
    """The last transaction of this session that wrote under what the settings stand for.

    Args:
        connection: Django's. One that is not open has written nothing.
        settings: names of session settings, as the graph of products gives them.
    """
    return max(last_writes(connection, settings).values(), default=None)


def last_writes(connection: BaseDatabaseWrapper, settings: Sequence[str]) -> dict[str, int]:
    """As ``last_write``: for each setting under which something was written, the last one."""
    raw = connection.connection
    if raw is None or not settings:
        return {}
    mark = _marks.get(raw)  # None: a session that nobody watches is asked each time
    seen = mark.statements if mark else 0
    if mark is not None:
        if not seen:
            return {}
        settings = [name for name in settings if mark.clean.get(name) != seen]
        if not settings:
            return {}
    found = _ask(connection, settings)
    if mark is not None:
        mark.clean |= {name: seen for name, xid in found.items() if xid is None}
    return {name: xid for name, xid in found.items() if xid is not None}


def alias_of(raw: Any) -> str | None:
    """Which of Django's connections a session is, if it is watched."""
    mark = _marks.get(raw)
    return mark.alias if mark else None


def is_known(raw: Any) -> bool:
    """Whether all that a session may have written so far has been taken."""
    mark = _marks.get(raw)
    return mark is not None and mark.statements == mark.taken_at


def take(connection: BaseDatabaseWrapper, settings: Sequence[str]) -> dict[str, int]:
    """The last writes of a session under each setting, since they were last taken.

    A session outlives a request: what an earlier one wrote is not this one's.
    """
    found = {name: xid for name, xid in _ask(connection, settings).items() if xid is not None}
    mark = _marks.get(connection.connection)
    if mark is None:
        return found
    new = {name: xid for name, xid in found.items() if mark.taken.get(name) != xid}
    mark.taken, mark.taken_at = found, mark.statements
    return new


def session_tells(alias: str) -> bool:
    """Whether a read may ask the session of a database what this client wrote in it."""
    return not (
        own_pooled_writes.are_any() and own_pooled_writes.is_pooled(connections[alias].connection)
    )


def forget(alias: str, settings: Sequence[str], xids: Sequence[int]) -> None:
    """The listener has handled these transactions of a pooler's client."""
    raw = connections[alias].connection
    if own_pooled_writes.is_pooled(raw):
        own_pooled_writes.forget(raw, settings, xids)


def _ask(connection: Any, settings: Sequence[str]) -> Mapping[str, int | None]:
    if own_pooled_writes.is_pooled(connection.connection):
        with connection.wrap_database_errors:
            return own_pooled_writes.last_writes(connection.connection, settings)
    with connection.cursor() as cursor:
        cursor.execute(_WROTE, [list(settings)])
        return dict(cursor.fetchall())
