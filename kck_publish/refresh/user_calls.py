"""User code of a batch that is no compute: ``keys=``, ``publish()``, ``domain()``.

It may fail, and it may lose the connection, as a compute may. After a loss the whole batch is
repeated; code under which that happens again and again is not called any more, and has failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class CallFailedError(Exception):
    """The user's code has failed; the error is the cause."""

    @property
    def error(self) -> Exception:
        """The user's error."""
        assert isinstance(self.__cause__, Exception)
        return self.__cause__


class Attempt(Protocol):
    """Calls user code."""

    def __call__(self, name: str, call: Callable[[], T], /) -> T:
        """The answer of user code.

        Args:
            name: of the code, as the log says it.

        Raises:
            CallFailedError: it has failed, or has cost the connection too often.
            OperationalError: the connection is lost.
        """


class Recovering:
    """Calls user code outside a batch.

    Args:
        recover: makes the transaction usable again after the code has failed in it.
    """

    def __init__(self, recover: Callable[[], None] = lambda: None) -> None:
        self._recover = recover

    def __call__(self, name: str, call: Callable[[], T], /) -> T:
        """The answer. Raises CallFailedError."""
        try:
            return call()
        except Exception as error:
            self._recover()
            raise CallFailedError(name) from error
