"""``suppress`` the capture for a bulk load, name the ``origin`` of what is written.

A block changes only what its own context says of its writes; ``local_settings`` puts that into each
transaction in which the context writes. Other threads, tasks and programs are never touched.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import ContextDecorator
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.db.models import Model

from ..public_names import public_in
from . import local_settings
from .local_settings import Local


class Block(ContextDecorator):
    """A block, or a decorated function, that says something else of what it writes."""

    def __new__(cls, *given: Any, **options: Any) -> Any:
        """A block; where it decorates a function without parentheses, that function within one."""
        if len(given) == 1 and inspect.isroutine(given[0]):
            return cls()(given[0])
        return super().__new__(cls)

    def __init__(self) -> None:
        self._before: list[Local] = []

    def _recreate_cm(self) -> Block:
        # A decorator makes a block of its own for each call, so that calls may nest.
        raise NotImplementedError

    def _within(self, before: Local) -> Local:
        """The setting inside the block, by the setting around it."""
        raise NotImplementedError

    def __enter__(self) -> Block:
        before = local_settings.current.get()
        self._before.append(before)
        local_settings.current.set(self._within(before))
        return self

    def __exit__(self, *error: object) -> None:
        local_settings.current.set(self._before.pop())
        _lift()

    async def __aenter__(self) -> Block:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        local_settings.current.set(self._before.pop())
        # In the thread that the asynchronous ORM works in, whose connections these are.
        await sync_to_async(_lift)()

    def __call__(self, function: Any) -> Any:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            # Its call writes nothing yet, and what writes later has no block around it.
            raise TypeError(
                f"{type(self).__name__} cannot decorate {function.__qualname__}, a generator: use "
                "it as a context manager inside, around what writes."
            )
        if not inspect.iscoroutinefunction(function):
            return super().__call__(function)

        @functools.wraps(function)
        async def within(*args: Any, **options: Any) -> Any:
            async with self._recreate_cm():
                return await function(*args, **options)

        return within


@public_in("kck_publish")
class suppress(Block):  # noqa: N801 - used as a function
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

    def _within(self, before: Local) -> Local:
        if before.suppressed is None or not self._models:
            return before._replace(suppressed=None)
        tables = {
            table._meta.db_table
            for model in self._models
            for table in [model, *model._meta.all_parents]
        }
        return before._replace(suppressed=before.suppressed | tables)


@public_in("kck_publish")
class unsuppress(Block):  # noqa: N801 - used as a function
    """Capture everything again.

    Called, until the surrounding block ends; as a context manager or decorator, within it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._before_call = local_settings.current.get()
        self._called = self._within(self._before_call)
        local_settings.current.set(self._called)

    def _recreate_cm(self) -> unsuppress:
        return unsuppress()

    def _within(self, before: Local) -> Local:
        return before._replace(suppressed=frozenset())

    def _undo_call(self) -> None:
        """As a context manager or decorator, the call alone was to change nothing."""
        if local_settings.current.get() is self._called:
            local_settings.current.set(self._before_call)

    def __enter__(self) -> Block:
        self._undo_call()
        return super().__enter__()

    def __call__(self, function: Any) -> Any:
        self._undo_call()
        return super().__call__(function)


@public_in("kck_publish")
class origin(Block):  # noqa: N801 - used as a function
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

    def _within(self, before: Local) -> Local:
        return before._replace(origin=self._name)


def _lift() -> None:
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None and not connection.needs_rollback:
            local_settings.lift(connection.connection)
