"""Ending the streams when the server is told to stop: it waits for open responses, and none ends.

uvicorn, and others, end when every response has ended; on SIGTERM the streams are ended first, and
their clients come back to the next server. The server's own handler is called afterwards.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from .process_hub import close_streams

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_done: set[int] = set()


def end_streams_on_sigterm() -> None:
    """Once a process; only a server that runs in the main thread can be asked so."""
    if os.getpid() in _done or threading.current_thread() is not threading.main_thread():
        return
    _done.add(os.getpid())
    for number in _SIGNALS:
        before = signal.getsignal(number)
        if callable(before):

            def handle(
                number: int, frame: FrameType | None, before: signal._HANDLER = before
            ) -> None:
                # Not here: the handler may have interrupted whoever holds the hub's lock.
                threading.Thread(target=close_streams).start()
                assert callable(before)
                before(number, frame)

            signal.signal(number, handle)
