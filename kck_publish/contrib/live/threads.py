"""Letting go of the thread, and of the connection, that answering a request has taken.

Under ASGI Django gives each request a thread of its own for what is not asynchronous (sessions,
permissions), and keeps it, with its database connections, until the response has ended. A stream
does not end: what it needed at its start is given back before it begins.
"""

from __future__ import annotations

import asyncio

from asgiref.sync import SyncToAsync
from django.db import connections


async def release() -> None:
    """Close the connections of the request's own thread, and end it.

    What is run there afterwards gets a new one, which ends with the request.
    """
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None:  # one thread for all requests: it is kept, as it always is
        return
    executor = SyncToAsync.context_to_thread_executor.pop(context, None)
    if executor is not None:
        await asyncio.get_running_loop().run_in_executor(executor, connections.close_all)
        executor.shutdown(wait=False)
