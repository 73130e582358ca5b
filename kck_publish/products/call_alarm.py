"""An alarm that cuts off a call: only the main thread can be interrupted from outside.

``time_limit`` sets it for a compute. SIGALRM's handler runs in the main thread between two steps of
its Python code, also while that waits in a system call, and raises there. So a busy loop, a sleep
and a read of a socket are cut off; a call into C that neither ends nor looks for signals is not.

Elsewhere nothing is set: Python has no way to interrupt another thread's system call, and to raise
in it at any step of its code would leave the locks of whatever it holds as they are.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
# A call that has swallowed the alarm is told again after so many seconds: long enough for what it
# is doing to end well, as the cancelling of a query.
AGAIN = 6.0
# The shortest time that a timer can be set to; 0 is none.
_SOON = 1e-6


class Cut(KeyboardInterrupt):
    """The alarm: no ``except Exception`` swallows it, and psycopg cancels the query at work."""

    def __init__(self, of: Alarm) -> None:
        super().__init__()
        self.of = of


@dataclass(eq=False)
class Alarm:
    """The end of a call, by ``time.monotonic``; it may be put off while the call runs."""

    at: float
    over: bool = False
    rang: bool = False

    def put_off(self, seconds: float) -> None:
        """Let it ring so much later."""
        self.at += seconds
        if self in _running:
            _set()


@dataclass
class _Theirs:
    """The handler, and the timer, that were there before the first alarm."""

    handler: Any = signal.SIG_DFL
    at: float | None = None
    interval: float = 0.0


# Of the main thread, the outermost first.
_running: list[Alarm] = []
_theirs = _Theirs()


def call(run: Callable[[], T], alarm: Alarm) -> T:
    """Call, and raise Cut in it when the alarm's time has come; where it cannot be cut off, wait.

    A handler and a timer that somebody else has set are there again afterwards, and are obeyed
    meanwhile.
    """
    if not usable():
        return run()
    try:
        # Twice: rung in the first ``finally``, it has not said so yet, and the second is reached.
        try:
            _begin(alarm)
            return run()
        finally:
            alarm.over = True
    finally:
        alarm.over = True
        _end(alarm)


def usable() -> bool:
    """Whether what runs here is the main thread, and nothing else takes turns in it."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "setitimer"):
        return False
    gevent: Any = sys.modules.get("gevent.monkey")
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        return False
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return False
    return signal.getsignal(signal.SIGALRM) is not None  # not set by something that is not Python


def _begin(alarm: Alarm) -> None:
    if not _running:
        left, interval = signal.setitimer(signal.ITIMER_REAL, 0)
        _theirs.at, _theirs.interval = (time.monotonic() + left if left else None), interval
        _theirs.handler = signal.signal(signal.SIGALRM, _ring)
    _running.append(alarm)
    _set()


def _end(alarm: Alarm) -> None:
    if alarm in _running:
        del _running[_running.index(alarm) :]  # one within, whose end was cut off, is over too
    if _running:
        _set()
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, _theirs.handler)
    if _theirs.at is not None:
        left = max(_SOON, _theirs.at - time.monotonic())
        signal.setitimer(signal.ITIMER_REAL, left, _theirs.interval)


def _set() -> None:
    """Set the timer to whatever is due first."""
    times = [alarm.at for alarm in _running if not alarm.over]
    times += [] if _theirs.at is None else [_theirs.at]
    left = max(_SOON, min(times) - time.monotonic()) if times else 0
    signal.setitimer(signal.ITIMER_REAL, left)


def _ring(number: int, frame: Any) -> None:
    moment = time.monotonic()
    if _theirs.at is not None and moment >= _theirs.at:
        _theirs.at = moment + _theirs.interval if _theirs.interval else None
        _set()
        if callable(_theirs.handler):
            _theirs.handler(number, frame)
        elif _theirs.handler == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        return
    for alarm in _running:
        if not alarm.over and moment >= alarm.at:
            alarm.at, alarm.rang = moment + AGAIN, True
            _set()
            raise Cut(alarm)
    _set()
