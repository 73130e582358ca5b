"""The few threads of the hub's process that may query: computes of misses, and rights.

Their number, and that of their connections, does not depend on how many streams there are.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

THREADS = 4

P = ParamSpec("P")
R = TypeVar("R")


def submit(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
    """Run a function in one of the threads."""
    return _pool().submit(lambda: _run(function, *args, **kwargs))


async def run(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function in one of the threads, and wait for what it gives."""
    return await asyncio.wrap_future(submit(function, *args, **kwargs))


def _run(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()


_pools: dict[int, ThreadPoolExecutor] = {}


def _pool() -> ThreadPoolExecutor:
    """After a fork the threads of the parent are not here."""
    pool = _pools.get(os.getpid())
    if pool is None:
        pool = _pools[os.getpid()] = ThreadPoolExecutor(THREADS, "kck-live-work")
    return pool
