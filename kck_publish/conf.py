"""The settings, read from `KCK_PUBLISH` at each access. Above conf_defaults.py.

    from kck_publish.conf import settings
    settings.SHARDS

Nothing is read at import, and nothing stays behind after `override_settings`: what was read
is kept only as long as the very same dict holds the very same values. A wrong value raises
ConfigurationError when that setting is used; `problems()` names all of them for the system
check.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, cast

from django.conf import settings as django_settings

from .conf_defaults import Settings
from .exceptions import ConfigurationError

_CHECKS: dict[str, Callable[[object], Any]] = {
    field.name: field.metadata["check"] for field in fields(Settings)
}
_SECRET = {field.name for field in fields(Settings) if field.metadata["secret"]}
# Names of earlier versions, which settings that are not rewritten yet may go on using.
_FORMER = {"LISTEN_DSN": "DIRECT"}


@dataclass(frozen=True, slots=True)
class CheckedSettings:
    """One reading of KCK_PUBLISH: the typed values, and by key what is wrong.

    It holds as long as KCK_PUBLISH is the same object, with the values of ``copy``.
    """

    source: object
    copy: dict[Any, Any]
    values: Settings
    wrong: Mapping[str, str]


def _read(source: object) -> CheckedSettings:
    if not isinstance(source, Mapping):
        message = f"KCK_PUBLISH must be a dict, not {type(source).__name__}."
        return CheckedSettings(source, {}, Settings(), dict.fromkeys(_CHECKS, message))
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for key, value in source.items():
        name: Any = _FORMER.get(key, key)
        check = _CHECKS.get(name)
        if check is None:
            wrong[key] = f"KCK_PUBLISH has no key {key!r}.{_suggest(key)}"
            continue
        if name != key and name in source:
            wrong[key] = f"KCK_PUBLISH[{key!r}] is the former name of {name!r}: give one of them."
            continue
        try:
            values[name] = check(value)
        except ValueError as error:
            shown = f"this {type(value).__name__}" if key in _SECRET else repr(value)
            wrong[key] = f"KCK_PUBLISH[{key!r}] must be {error}, not {shown}."
    if _elsewhere is not None:
        values["DATABASE"] = _elsewhere
        wrong.pop("DATABASE", None)
    return CheckedSettings(source, dict(source), Settings(**values), wrong)


def _suggest(key: object) -> str:
    close = difflib.get_close_matches(str(key).upper(), _CHECKS, n=1)
    return f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(sorted(_CHECKS))}."


_NOTHING: dict[str, Any] = {}
_elsewhere: str | None = None
last = _read(_NOTHING)
"""The last result of ``current``: it holds within one read, which has begun by asking it."""

# What Django's settings keep of each one that they were asked for: they forget it when they are
# overridden. To ask them themselves costs ten times as much.
kept: dict[str, Any] = object.__getattribute__(django_settings, "__dict__")


def _source() -> object:
    given = getattr(django_settings, "KCK_PUBLISH", None)
    return _NOTHING if given is None else given


def current() -> CheckedSettings:
    """All settings as they are now."""
    global last
    checked, now = last, kept.get("KCK_PUBLISH")
    if now is None:
        now = _source()
    # The same dict with the same values: comparing costs less than reading it anew, and
    # catches a test that changes the dict in place.
    if checked.source is not now or checked.copy != now:
        checked = last = _read(now)
    return checked


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
    sentences = list(dict.fromkeys(reading.wrong.values()))
    values, wrong = reading.values, reading.wrong
    kind, _, alias = values.STORE.partition(":")
    if kind == "cache" and alias not in django_settings.CACHES:
        known = ", ".join(django_settings.CACHES)
        sentences.append(f"KCK_PUBLISH['STORE'] names the cache {alias!r}; CACHES has: {known}.")
    if "DATABASE" not in wrong and values.DATABASE not in django_settings.DATABASES:
        known = ", ".join(django_settings.DATABASES)
        sentences.append(
            f"KCK_PUBLISH['DATABASE'] is {values.DATABASE!r}; DATABASES has: {known or 'none'}."
        )
    return sentences
