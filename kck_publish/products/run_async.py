"""An asynchronous compute, awaited by the synchronous code around it.

Its event loop runs in a thread of its own, or is the one that the caller came from; Django's
asynchronous ORM comes back to the calling thread, and so to its connection: the batch's snapshot,
or the reader's transaction. What the compute reads is recorded as ever: the context goes along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any

from asgiref.sync import async_to_sync

from . import time_limit

# How long a coroutine that is cancelled may take to end, in seconds, before it is left alone.
FAREWELL = 5.0


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
