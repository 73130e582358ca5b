"""The settings: one typed class over `KCK_PUBLISH`, read at each access. Above exceptions.py.

    from kck_publish.conf import settings
    settings.SHARDS

Nothing is read at import, and nothing stays behind after `override_settings`: what was read
is kept only as long as the very same dict holds the very same values. A wrong value raises
ConfigurationError when that setting is used; `problems()` names all of them for the system
check.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, cast

from django.conf import settings as django_settings

from .exceptions import ConfigurationError
from .retry import Retry

# A socket's name is at most 107 bytes long.
LONGEST_PATH = 90
RETRY_KEYS = ("max_retries", "delay", "backoff", "include", "exclude")


@dataclass(frozen=True)
class Settings:
    """All settings with their defaults. Durations may be given as timedelta or in seconds."""

    STORE: str = "postgres"
    """Where values live: "postgres" (a table of DATABASE) or "cache:<alias>" (of CACHES)."""

    NEAR: str | None = None
    """Path of the host-local near store (an LMDB file); None = no near store."""

    NEAR_SIZE: int = 256 * 1024 * 1024
    """Largest size of the near store, in bytes; what is read least makes way. At least 1 MiB."""

    NEAR_LEASE: float = 2.0
    """Seconds for which readers trust a near store whose follower is gone. At least 0.1."""

    ENABLED: bool = True
    """False: every read computes, and readers store nothing; changes are still captured."""

    STRICT: bool = False
    """True: a compute that reads a table it does not declare raises, instead of warning."""

    SHARDS: int = 1
    """Parts of the key space, over all listeners; at least 1."""

    RETRY: Retry | None = None
    """The default `Retry`; a dict of its arguments will do; None = its own defaults."""

    MAX_BATCH: int = 1000
    """Changes handled in one refresh chunk, in rows; at least 1."""

    MAX_CHANGES: int = 5000
    """Changes handled in one batch; a source that has more is worked off in pages, between the
    batches of the others. Also how many stored keys of a product touched as a whole; at least 1."""

    POLL_INTERVAL: float = 5.0
    """The seat belt: seconds between looks at the log while asleep. Read as float seconds."""

    LISTEN_DSN: str | None = None
    """Connection string for LISTEN, past a transaction pooler; None = as DATABASE."""

    RETENTION: timedelta = timedelta(minutes=5)
    """How long handled log rows are kept. A timedelta."""

    LINGER: float = 0.2
    """How long a listener stays awake after the last change. Read as float seconds."""

    AWAKE_POLL: float = 0.005
    """Seconds between two looks at the log while awake. Read as float seconds."""

    SILENCE: float = 15.0
    """Seconds without a sign of life after which a listener's shards are taken from it."""

    AUDIT: int | None = None
    """Keys a minute that a listener recomputes and compares, at random; None = none."""

    FORGET_AFTER: timedelta | None = None
    """A consumer of the log (no shard) silent for so long is forgotten; None = never by itself."""

    DATABASE: str = "default"
    """Alias in DATABASES of the database with the sources, the log and the store."""

    MAX_VALUE_BYTES: int | None = None
    """Largest body that is stored, in bytes; None = no limit."""

    TIME_LIMIT: timedelta | None = None
    """Longest time of a compute; None = no limit."""


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def _positive(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("an integer of at least 1")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a non-empty string")
    return value


def _store(value: object) -> str:
    kind, _, alias = value.partition(":") if isinstance(value, str) else ("", "", "")
    if value != "postgres" and not (kind == "cache" and alias):
        raise ValueError('"postgres" or "cache:<alias>"')
    return cast(str, value)


def _path(value: object) -> str:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError("a path")
    path = os.fspath(value)
    if not isinstance(path, str):
        raise ValueError("a path as text")
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ValueError(f"a path of at most {LONGEST_PATH} bytes (there is a socket beside it)")
    return path


def _seconds(value: object) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("a timedelta or a number of seconds")
    if not 0 < value < float("inf"):
        raise ValueError("longer than zero, and finite")
    return float(value)


def _size(value: object) -> int:
    if _positive(value) < 2**20:
        raise ValueError("at least a mebibyte")
    return _positive(value)


def _lease(value: object) -> float:
    seconds = _seconds(value)
    if seconds < 0.1:
        raise ValueError("at least a tenth of a second")
    return seconds


def _duration(value: object) -> timedelta:
    seconds = _seconds(value)
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError("shorter than a billion days") from None


def _retry(value: object) -> Retry:
    if isinstance(value, Retry):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"a mapping with keys among {', '.join(RETRY_KEYS)}")
    for key in value:
        if key not in RETRY_KEYS:
            raise ValueError(f"a mapping with keys among {', '.join(RETRY_KEYS)}, not {key!r}")
    return Retry(**value)


def _or_none(read: Callable[[object], Any]) -> Callable[[object], Any]:
    def optional(value: object) -> Any:
        try:
            return None if value is None else read(value)
        except ValueError as error:
            raise ValueError(f"None or {error}") from None

    return optional


_READERS: dict[str, Callable[[object], Any]] = {
    "STORE": _store,
    "NEAR": _or_none(_path),
    "NEAR_SIZE": _size,
    "NEAR_LEASE": _lease,
    "ENABLED": _boolean,
    "STRICT": _boolean,
    "SHARDS": _positive,
    "RETRY": _or_none(_retry),
    "MAX_BATCH": _positive,
    "MAX_CHANGES": _positive,
    "POLL_INTERVAL": _seconds,
    "LISTEN_DSN": _or_none(_text),
    "RETENTION": _duration,
    "LINGER": _seconds,
    "AWAKE_POLL": _seconds,
    "SILENCE": _seconds,
    "AUDIT": _or_none(_positive),
    "FORGET_AFTER": _or_none(_duration),
    "DATABASE": _text,
    "MAX_VALUE_BYTES": _or_none(_positive),
    "TIME_LIMIT": _or_none(_duration),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of KCK_PUBLISH: the typed values, and by key what is wrong.

    It holds as long as KCK_PUBLISH is the same object, with the values of ``copy``.
    """

    source: object
    copy: dict[Any, Any]
    values: Settings
    wrong: Mapping[str, str]


def _read(source: object) -> Reading:
    if not isinstance(source, Mapping):
        message = f"KCK_PUBLISH must be a dict, not {type(source).__name__}."
        return Reading(source, {}, Settings(), dict.fromkeys(_READERS, message))
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for key, value in source.items():
        reader = _READERS.get(key)
        if reader is None:
            wrong[key] = f"KCK_PUBLISH has no key {key!r}.{_suggest(key)}"
            continue
        try:
            values[key] = reader(value)
        except ValueError as error:
            wrong[key] = f"KCK_PUBLISH[{key!r}] must be {error}, not {value!r}."
    if _elsewhere is not None:
        values["DATABASE"] = _elsewhere
        wrong.pop("DATABASE", None)
    return Reading(source, dict(source), Settings(**values), wrong)


def _suggest(key: object) -> str:
    close = difflib.get_close_matches(str(key).upper(), _READERS, n=1)
    return f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(sorted(_READERS))}."


_NOTHING: dict[str, Any] = {}
_elsewhere: str | None = None
last = _read(_NOTHING)
"""What ``current`` has given last: within one read, which has begun by asking it, what holds."""

# What Django's settings keep of each one that they were asked for: they forget it when they are
# overridden. To ask them themselves costs ten times as much.
kept: dict[str, Any] = object.__getattribute__(django_settings, "__dict__")


def _source() -> object:
    found = getattr(django_settings, "KCK_PUBLISH", None)
    return _NOTHING if found is None else found


def current() -> Reading:
    """All settings as they are now."""
    global last
    found, now = last, kept.get("KCK_PUBLISH")
    if now is None:
        now = _source()
    # The same dict with the same values: comparing costs less than reading it anew, and
    # catches a test that changes the dict in place.
    if found.source is not now or found.copy != now:
        found = last = _read(now)
    return found


class _Live:
    """Looks like Settings; each access reads what is in force now."""

    def __getattr__(self, name: str) -> Any:
        reading = current()
        if name in reading.wrong:
            raise ConfigurationError(reading.wrong[name])
        return getattr(reading.values, name)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Set {name} in KCK_PUBLISH (override_settings in tests), not here.")

    def __dir__(self) -> list[str]:
        return [field.name for field in fields(Settings)]


settings = cast(Settings, _Live())


def is_told() -> bool:
    """Whether this process works in a database that it was told: it is a listener."""
    return _elsewhere is not None


@contextmanager
def working_in(alias: str) -> Iterator[None]:
    """DATABASE is this one meanwhile, in the whole process: ``kck_listen --database`` is it."""
    global _elsewhere, last
    before = _elsewhere
    _elsewhere = alias
    last = _read(_source())
    try:
        yield
    finally:
        _elsewhere = before
        last = _read(_source())


def problems() -> list[str]:
    """Everything wrong with KCK_PUBLISH, one sentence each; empty when all is well."""
    reading = current()
    found = list(dict.fromkeys(reading.wrong.values()))
    values, wrong = reading.values, reading.wrong
    kind, _, alias = values.STORE.partition(":")
    if kind == "cache" and alias not in django_settings.CACHES:
        known = ", ".join(django_settings.CACHES)
        found.append(f"KCK_PUBLISH['STORE'] names the cache {alias!r}; CACHES has: {known}.")
    if "DATABASE" not in wrong and values.DATABASE not in django_settings.DATABASES:
        known = ", ".join(django_settings.DATABASES)
        found.append(
            f"KCK_PUBLISH['DATABASE'] is {values.DATABASE!r}; DATABASES has: {known or 'none'}."
        )
    return found
