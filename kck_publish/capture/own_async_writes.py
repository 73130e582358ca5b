"""Whether asynchronous code may have written, told without the thread that it writes in.

Django runs the queries of asynchronous code in a thread, whose session knows what was written (see
``own_session_writes``). A read that needs no query must not pay a turn of that thread only to hear
that nothing was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from asgiref.sync import AsyncToSync, SyncToAsync

# The contexts (one a request, under ASGI) whose own threads have made a statement that may write.
_wrote: WeakSet[Any] = WeakSet()
# How many such statements were made in threads of no context.
_count = 0
# By loop: the products that its thread has found quiet, each with that count as it was before.
_quiet: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, int]] = WeakKeyDictionary()


def note() -> None:
    """A statement may have written, in this thread."""
    global _count
    if (context := SyncToAsync.thread_sensitive_context.get(None)) is not None:
        _wrote.add(context)
    _count += 1


def count() -> int:
    """How many statements may have written so far."""
    return _count


def settle(products: Iterable[str], before: int) -> None:
    """The loop's thread has found that its session wrote nothing that counts under these.

    Args:
        before: what ``count`` said before it looked.
    """
    quiet = _quiet.setdefault(asyncio.get_running_loop(), {})
    quiet.update(dict.fromkeys(products, before))


def is_quiet(product: str) -> bool:
    """Whether the code that runs here has certainly written nothing that counts for a product."""
    if not _count:
        return True
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is not None and getattr(AsyncToSync.executors, "current", None) is None:
        return context not in _wrote  # nobody else has its thread
    return _quiet.get(asyncio.get_running_loop(), {}).get(product) == _count
