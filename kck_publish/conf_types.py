"""One setting: its default, its type, and what is refused. A check gives the typed value.

Each check raises ValueError with what would fit, as the end of "must be ...".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from django.utils.module_loading import import_string

from .retry_policy import Retry

T = TypeVar("T")
# A socket's name is at most 107 bytes long.
LONGEST_PATH = 90
KAFKA_PARTS = ("consumer", "producer", "schema_registry", "connect")
RETRY_KEYS = ("max_retries", "delay", "backoff", "include", "exclude")


def setting(
    default: T, check: Callable[[object], T], secret: bool = False, optional: bool = False
) -> T:
    """Declare a field of ``Settings``.

    Args:
        default: None for a setting that may be None.
        check: gives the typed value of a given one, or raises ValueError.
        secret: it may hold a password, so no message shows its value.
        optional: whether it may be None though its default is not.
    """
    either = _or_none(check) if default is None or optional else check
    declared: Any = field(default=default, metadata={"check": either, "secret": secret})
    return cast("T", declared)


def boolean(value: object) -> bool:
    """True or False, and nothing that is merely true."""
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def positive(value: object) -> int:
    """An integer of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("an integer of at least 1")
    return value


def text(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("a non-empty string")
    return value


def store(value: object) -> str:
    """The name of a store."""
    kind, _, alias = value.partition(":") if isinstance(value, str) else ("", "", "")
    if value != "postgres" and not (kind == "cache" and alias):
        raise ValueError('"postgres" or "cache:<alias>"')
    return cast(str, value)


def pooler(value: object) -> str:
    """The mode of a pooler."""
    if not isinstance(value, str) or value not in ("transaction", "session"):
        raise ValueError('"transaction" or "session"')
    return value


def callables(value: object) -> tuple[Callable[[], object], ...]:
    """Callables without arguments, or their dotted paths."""
    if not isinstance(value, list | tuple):
        raise ValueError("a list of callables")
    found = []
    for each in value:
        try:
            call = import_string(each) if isinstance(each, str) else each
        except ImportError as error:
            raise ValueError(f"a list of callables ({error})") from None
        if not callable(call):
            raise ValueError("a list of callables, or of their dotted paths")
        if iscoroutinefunction(call):
            raise ValueError("a list of callables that are not async: nobody awaits them")
        found.append(call)
    return tuple(found)


def path(value: object) -> str:
    """A path of a file that may have a socket beside it."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError("a path")
    name = os.fspath(value)
    if not isinstance(name, str):
        raise ValueError("a path as text")
    if len(os.fsencode(name)) > LONGEST_PATH:
        raise ValueError(f"a path of at most {LONGEST_PATH} bytes (there is a socket beside it)")
    return name


def seconds(value: object) -> float:
    """A duration, in seconds."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("a timedelta or a number of seconds")
    if not 0 < value < float("inf"):
        raise ValueError("longer than zero, and finite")
    return float(value)


def size(value: object) -> int:
    """A number of bytes, a mebibyte at least."""
    if positive(value) < 2**20:
        raise ValueError("at least a mebibyte")
    return positive(value)


def lease(value: object) -> float:
    """A duration in seconds, a tenth at least."""
    lasting = seconds(value)
    if lasting < 0.1:
        raise ValueError("at least a tenth of a second")
    return lasting


def duration(value: object) -> timedelta:
    """A duration, as a timedelta."""
    try:
        return timedelta(seconds=seconds(value))
    except OverflowError:
        raise ValueError("shorter than a billion days") from None


def retry(value: object) -> Retry:
    """A ``Retry``, or a mapping of its arguments."""
    if isinstance(value, Retry):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"a mapping with keys among {', '.join(RETRY_KEYS)}")
    for key in value:
        if key not in RETRY_KEYS:
            raise ValueError(f"a mapping with keys among {', '.join(RETRY_KEYS)}, not {key!r}")
    return Retry(**value)


def kafka(value: object) -> Mapping[str, Any]:
    """librdkafka's names with their values, and dicts of such for parts of it."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError("a mapping of librdkafka's names")
    for key, inner in value.items():
        if key in KAFKA_PARTS and not isinstance(inner, Mapping):
            raise ValueError(f"a mapping with a mapping under {key!r}")
        if key not in KAFKA_PARTS and isinstance(inner, Mapping):
            raise ValueError(f"a mapping with mappings under {', '.join(KAFKA_PARTS)} only")
    return cast("Mapping[str, Any]", value)


def _or_none(read: Callable[[object], Any]) -> Callable[[object], Any]:
    def optional(value: object) -> Any:
        try:
            return None if value is None else read(value)
        except ValueError as error:
            raise ValueError(f"None or {error}") from None

    return optional
