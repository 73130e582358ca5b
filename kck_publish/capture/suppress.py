"""Steering what is announced: ``suppress`` the capture for a bulk load, name the ``origin``.

Both are settings of the database session that the capture triggers read. They are put in place
when the block is entered, on the thread's open connections and on those that it opens inside.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import Model
from psycopg.pq import TransactionStatus

from ..public import public_in

_SUPPRESS, _ORIGIN = "kck_publish.suppress", "kck_publish.origin"
_EVERYTHING = "*"
_CANNOT = (TransactionStatus.INERROR, TransactionStatus.UNKNOWN)

# The tables suppressed now, or None for all; and the origin named now.
_suppressed: ContextVar[frozenset[str] | None] = ContextVar("suppressed", default=frozenset())
_origin: ContextVar[str] = ContextVar("origin", default="")


class _Steering(ContextDecorator):
    """A block, or a decorated function, with other session settings. Not shared by threads."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def _recreate_cm(self) -> _Steering:
        # A decorator makes a block of its own for each call, so that calls may nest.
        raise NotImplementedError

    def _enter(self) -> Callable[[], object]:
        raise NotImplementedError

    def __enter__(self) -> _Steering:
        self._undo.append(self._enter())
        _apply_to_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.pop()()
        _apply_to_all()

    async def __aenter__(self) -> _Steering:
        # In the thread that the asynchronous ORM works in, whose connections these are.
        return await sync_to_async(self.__enter__)()

    async def __aexit__(self, *error: object) -> None:
        await sync_to_async(self.__exit__)(*error)

    def __call__(self, function: Any) -> Any:
        if not inspect.iscoroutinefunction(function):
            return super().__call__(function)

        @functools.wraps(function)
        async def steered(*args: Any, **options: Any) -> Any:
            async with self._recreate_cm():
                return await function(*args, **options)

        return steered


@public_in("kck_publish")
class suppress(_Steering):  # noqa: N801 - used as a function
    """Capture no changes of these models, or none at all without arguments.

    For a bulk load that primes afterwards: what was stored before stays as it was. Nested blocks
    add up.

    Args:
        models: whose tables' changes are not captured; with their multi-table parents.

    Raises:
        ValueError: for what is no model.
    """

    def __init__(self, *models: type[Model]) -> None:
        super().__init__()
        for model in models:
            if not (isinstance(model, type) and issubclass(model, Model)):
                raise ValueError(f"suppress takes models, not {model!r}.")
        self._models = models

    def _recreate_cm(self) -> suppress:
        return suppress(*self._models)

    def _enter(self) -> Callable[[], object]:
        before = _suppressed.get()
        tables = {
            one._meta.db_table
            for model in self._models
            for one in [model, *model._meta.all_parents]
        }
        after = None if before is None or not self._models else before | tables
        _suppressed.set(after)
        return lambda: _suppressed.set(before)


@public_in("kck_publish")
class origin(_Steering):  # noqa: N801 - used as a function
    """Name who writes: changes are captured, and relays that ignore this origin skip them.

    Args:
        name: of the writer, for instance ``"kafka"``.

    Raises:
        ValueError: for an empty name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if not isinstance(name, str) or not name:
            raise ValueError(f"origin takes a name, not {name!r}.")
        self._name = name

    def _recreate_cm(self) -> origin:
        return origin(self._name)

    def _enter(self) -> Callable[[], object]:
        before = _origin.get()
        _origin.set(self._name)
        return lambda: _origin.set(before)


@public_in("kck_publish")
def unsuppress() -> None:
    """Capture everything again, until the surrounding block ends."""
    _suppressed.set(frozenset())
    _apply_to_all()


def _wanted() -> tuple[str, str]:
    tables = _suppressed.get()
    if tables is None:
        return _EVERYTHING, _origin.get()
    return "".join(f"|{table}|" for table in sorted(tables)), _origin.get()


def _apply(connection: BaseDatabaseWrapper) -> None:
    if connection.vendor != "postgresql" or connection.needs_rollback:
        return  # a rollback brings back what was set before
    if connection.connection.info.transaction_status in _CANNOT:
        return  # likewise; and a lost connection takes its settings with it
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config(%s, %s, false), set_config(%s, %s, false)",
            [_SUPPRESS, _wanted()[0], _ORIGIN, _wanted()[1]],
        )


def _apply_to_all() -> None:
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None:
            _apply(connection)


def _connected(sender: Any, connection: BaseDatabaseWrapper, **_: Any) -> None:
    if _wanted() != ("", ""):
        _apply(connection)


connection_created.connect(_connected, dispatch_uid="kck_publish.steering")
