"""Retry: what is done when a refresh fails. A value; ``refresh.failures`` acts on it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from .public_names import public_in

# However often it fails, no longer delay is asked for a key.
LONGEST = timedelta(hours=1)


@public_in("kck_publish")
@dataclass(frozen=True)
class Retry:
    """The number of retries of a failed refresh, and the delay of each.

    Args:
        max_retries: tries after the first; -1 means for ever, 0 none.
        delay: before the first retry.
        backoff: whether each further delay is twice the one before (capped at an hour).
        include: retry only these exceptions.
        exclude: never retry these.

    Raises:
        ValueError: for arguments that cannot work.
    """

    max_retries: int = 5
    delay: timedelta = timedelta(seconds=1)
    backoff: bool = True
    include: tuple[type[BaseException], ...] | None = field(default=None)
    exclude: tuple[type[BaseException], ...] | None = field(default=None)

    def __post_init__(self) -> None:
        if isinstance(self.max_retries, bool) or not isinstance(self.max_retries, int):
            raise ValueError(f"max_retries takes a number, not {self.max_retries!r}")
        if self.max_retries < -1:
            raise ValueError("max_retries must be -1 (for ever), 0 or more")
        if not isinstance(self.delay, timedelta) or self.delay <= timedelta(0):
            raise ValueError("delay takes a timedelta greater than zero")
        if not isinstance(self.backoff, bool):
            raise ValueError("backoff takes True or False")
        if self.include is not None and self.exclude is not None:
            raise ValueError("give include or exclude, not both")
        for name in ("include", "exclude"):
            object.__setattr__(self, name, _exceptions(name, getattr(self, name)))

    def allows(self, error: BaseException, attempts: int) -> bool:
        """Whether a key that has failed this often, last with this error, is tried again."""
        if self.include is not None and not isinstance(error, self.include):
            return False
        if self.exclude is not None and isinstance(error, self.exclude):
            return False
        return self.max_retries == -1 or attempts <= self.max_retries

    def wait(self, attempts: int) -> timedelta:
        """The wait after this many failures: up to a fifth longer, so that keys spread."""
        factor = 2 ** min(attempts - 1, 30) if self.backoff else 1
        seconds = min(self.delay.total_seconds() * factor, LONGEST.total_seconds())
        return timedelta(seconds=seconds * random.uniform(1.0, 1.2))


def _exceptions(
    name: str, given: Iterable[type[BaseException]] | type[BaseException] | None
) -> tuple[type[BaseException], ...] | None:
    if given is None:
        return None
    try:
        classes = (given,) if isinstance(given, type) else tuple(given)
    except TypeError:
        raise ValueError(f"{name} takes exception classes") from None
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in classes):
        raise ValueError(f"{name} takes exception classes")
    return classes
