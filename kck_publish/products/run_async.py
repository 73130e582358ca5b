"""An asynchronous compute, awaited by the synchronous code around it.

Its event loop runs in a thread of its own, or is the one that the caller came from; Django's
asynchronous ORM comes back to the calling thread, and so to its connection: the batch's snapshot,
or the reader's transaction. What the compute reads is recorded as ever: the context goes along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from inspect import getattr_static, isasyncgenfunction, isawaitable, iscoroutinefunction
from typing import Any

from asgiref.sync import async_to_sync

from . import time_limit

# How long a coroutine that is cancelled may take to end, in seconds, before it is left alone.
FAREWELL = 5.0


def is_async(function: object) -> bool:
    """Whether calling it does nothing until somebody awaits what it gives."""
    function = getattr(function, "__func__", function)  # of a static or a class method
    return iscoroutinefunction(function) or isasyncgenfunction(function)


def never_awaited(kind: type, prefix: str = "\0") -> list[str]:
    """The methods of a user's class that are ``async def`` where the library's are not.

    Args:
        kind: a subclass of one of the library's classes, which calls its methods.
        prefix: of the names that it calls besides.
    """
    called = {
        name: method
        for base in kind.__mro__
        if base.__module__.startswith("kck_publish")
        for name, method in vars(base).items()
    }
    return [
        name
        for name in dir(kind)
        if (name.startswith(prefix) or (name in called and not is_async(called[name])))
        and is_async(getattr_static(kind, name))
    ]


def finished(value: Any) -> Any:
    """The result of a user's method: awaited, where the method is asynchronous.

    Raises:
        ComputeTimeout: the time limit of the compute that it is a part of has passed.
    """
    if not isawaitable(value):
        return value
    if (limit := time_limit.current()) is not None:
        limit.alarm.put_off(FAREWELL)  # it is cancelled in time, and may need some to end
    return async_to_sync(_finish)(value)


async def _finish(value: Awaitable[Any]) -> Any:
    limit = time_limit.current()
    if limit is None:
        return await value
    try:
        async with asyncio.timeout(max(0.0, limit.left)) as time:
            return await value
    except TimeoutError:
        if time.expired():
            raise limit.cut() from None
        raise
