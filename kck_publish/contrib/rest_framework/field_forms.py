"""The form of a serializer's field: its class, its arguments and the methods of its own."""

from __future__ import annotations

from typing import Any

_SIMPLE = (str, int, float, bool, type(None))


def is_own(thing: Any, method: str) -> bool:
    """Whether a method is not REST framework's own."""
    attribute = getattr(type(thing), method, None)
    return attribute is not None and not attribute.__module__.startswith("rest_framework.")


def uses_url(field: Any) -> bool:
    """Whether a file field writes the URL of its file, not its name."""
    from rest_framework.settings import api_settings

    return bool(getattr(field, "use_url", api_settings.UPLOADED_FILES_USE_URL))


def describe(field: Any, name: str) -> str:
    """The class and the arguments of a field: another form of it gives another text."""
    given = {key: value for key, value in field._kwargs.items() if isinstance(value, _SIMPLE)}
    kind = type(field)
    return f"{name}={kind.__module__}.{kind.__qualname__}({field.source}, {sorted(given.items())})"
