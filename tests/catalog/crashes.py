"""A listener that dies in the middle of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kck_publish.listener import session


class Crash(BaseException):
    """The listener dies here."""


@contextmanager
def dying(nth: int, after: bool = False) -> Iterator[None]:
    """Die at the nth write transaction of a batch, before it or just after its commit."""
    original, count = session.BatchSession.writing, 0

    @contextmanager
    def writing(self: Any, last: bool) -> Iterator[Any]:
        nonlocal count
        count += 1
        if count == nth and not after:
            raise Crash
        with original(self, last) as cursor:
            yield cursor
        if count == nth:
            raise Crash

    session.BatchSession.writing = writing  # type: ignore[method-assign]
    try:
        yield
    finally:
        session.BatchSession.writing = original  # type: ignore[method-assign]
