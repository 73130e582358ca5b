"""The memo of a request's reads, and when a read must be forgotten. Stands below the read path.

``read`` asks the memo of the current request before it asks the store; ``request`` opens one.
Whatever this request writes makes it forget everything: which rows a statement touched, only the
server knows, and to drop too much costs one more read. What tells of a write is the server's own
command tag of each statement on each of Django's connections (see ``capture.statements``).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from django.db import connections, transaction
from django.db.models import Model

from .. import search_path
from ..capture import statements
from ..conf import settings
from ..postgres import is_of_test
from .request_rows import RequestRows

# How many keys a memo holds; one that is full starts anew. For contexts that live long.
LIMIT = 10_000


class Shared:
    """A value that a request has one object of, as it has of a row."""


class Memo:
    """The answers that one request was given, by key.

    Threads and tasks of the request share it. What is kept is kept under a *ticket*, taken before
    it was read: a write in between has raised the generation, and nothing is kept.

    Attributes:
        ended: the request is over; a task that goes on would read for ever what was true then.
    """

    def __init__(self, outer: Memo | None = None) -> None:
        self.outer = outer
        self.generation = 0
        self.ended = False
        self._answers: dict[str, Any] = {}
        self._rows: dict[str, tuple[Any, Any]] = {}
        self._objects = RequestRows()
        self._writing: dict[int, tuple[int, int]] = {}
        self._off = False
        self._schema: str | None = None
        self._lock = threading.RLock()

    def ticket(self) -> int | None:
        """The right to use and to fill the memo here and now; None: read without it.

        There is none while another thread of the request is in a transaction that has written:
        its commit would change what this thread may have seen without a statement of its own.
        """
        with self._lock:
            here = threading.get_ident()
            if search_path.switches() and not self._is_of_schema():
                return None
            if self.ended or self._off:
                return None
            if any(thread != here for thread, _ in self._writing.values()):
                return None
            return self.generation

    def _is_of_schema(self) -> bool:
        """Whether the schema can be told; what was read in another one is forgotten."""
        schema = search_path.schema_if_known(settings.DATABASE)
        if schema != self._schema:
            self._schema = schema
            self.forget()
        return schema is not None

    def look(self, ticket: int, keys: Iterable[str]) -> dict[str, Any]:
        """The answers that are known, unless something was written since the ticket was taken."""
        answers = self._answers
        if ticket != self.generation:
            return {}
        return {key: answers[key] for key in keys if key in answers}

    def keep(self, ticket: int, answers: Mapping[str, Any]) -> None:
        """Know these from now on, unless something was written since the ticket was taken."""
        with self._lock:
            if ticket == self.generation:
                if len(self._answers) + len(answers) > LIMIT:
                    self._answers, self._rows, self._objects = {}, {}, RequestRows()
                self._answers.update(answers)

    def value(self, key: str, answer: Any, decode: Callable[[], Any]) -> Any:
        """The value of an answer: a row is one object, data is the reader's own copy."""
        known = self._rows.get(key)
        if known is not None and known[0] is answer:
            value = known[1]
        else:
            value = decode()
            is_rows = isinstance(value, list) and value and isinstance(value[0], Model)
            if not (is_rows or isinstance(value, Model | Shared)):
                return value
            with self._lock:
                if self._answers.get(key) is answer:
                    if is_rows:
                        value = [self._objects.same(row) for row in value]
                    elif isinstance(value, Model):
                        value = self._objects.same(value)
                    value = self._rows.setdefault(key, (answer, value))[1]
        return list(value) if isinstance(value, list) else value

    def forget(self) -> None:
        """Know nothing any more; nor may those who are reading just now keep what they get."""
        with self._lock:
            self.generation += 1
            self._answers, self._rows, self._objects = {}, {}, RequestRows()
        if self.outer is not None:
            self.outer.forget()

    def wrote(self, raw: Any) -> None:
        """Something was, or may have been, written on a connection of psycopg's."""
        self.forget()
        memo: Memo | None = self
        while memo is not None:
            memo._follow(raw)
            memo = memo.outer

    def _follow(self, raw: Any) -> None:
        """See to it that the end of the transaction is noticed, above all if it is rolled back."""
        wrapper = next(
            (
                wrapper
                for wrapper in connections.all(initialized_only=True)
                if wrapper.connection is raw
            ),
            None,
        )
        if wrapper is None or not wrapper.in_atomic_block:
            if raw.info.transaction_status.name not in ("IDLE", "UNKNOWN"):
                self._off = True  # a transaction whose end Django does not know of
            return
        blocks: Iterable[Any] = getattr(wrapper, "atomic_blocks", ())
        if all(map(is_of_test, blocks)):
            return  # ends with the test
        with self._lock:
            if any(connection == id(raw) for _, connection in self._writing.values()):
                return
            end = _TransactionEnd()
            place = id(end)
            self._writing[place] = threading.get_ident(), id(raw)
        weakref.finalize(end, self._ended, place).atexit = False
        transaction.on_commit(end, using=wrapper.alias)

    def _ended(self, place: int) -> None:
        with self._lock:
            self._writing.pop(place, None)
        self.forget()


class _TransactionEnd:
    """Lives as long as a transaction that has written.

    Django holds it among the functions to call on commit, and lets go of it when the transaction,
    or the savepoint, ends in whichever way. Its finalizer notices the end; its call does nothing.
    """

    def __call__(self) -> None:
        """The transaction is committed."""


_current: ContextVar[Memo | None] = ContextVar("kck_publish_memo", default=None)
# The memo of the request that runs here, if any. Each read asks: it is no function of ours.
current = _current.get
activate = _current.set
restore = _current.reset


def _wrote(raw: Any) -> None:
    if (memo := _current.get()) is not None:
        memo.wrote(raw)


statements.subscribers.append(_wrote)
