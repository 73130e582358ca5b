"""Bytes as JSONRenderer writes them, for one row and for a list put together from rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rest_framework.renderers import JSONRenderer
from rest_framework.settings import api_settings

from ...exceptions import Unserializable

_FORMS = (
    *("COERCE_DECIMAL_TO_STRING", "COMPACT_JSON", "DATETIME_FORMAT", "DATE_FORMAT", "STRICT_JSON"),
    *("TIME_FORMAT", "UNICODE_JSON", "UPLOADED_FILES_USE_URL"),
    *("COERCE_BIGINT_TO_STRING", "DURATION_FORMAT"),  # of later versions
)


def settings_of_form() -> str:
    """REST framework's settings that the bytes depend on."""
    return repr([(name, getattr(api_settings, name, None)) for name in _FORMS])


def render(data: Any) -> bytes:
    """The bytes of some data. Raises Unserializable."""
    try:
        return bytes(JSONRenderer().render(data))
    except (TypeError, ValueError) as error:
        raise Unserializable("$", type(data).__name__, str(error)) from None


def parse(body: bytes) -> Any:
    """The data of some bytes."""
    return json.loads(body) if body else None  # the renderer writes None as nothing


def is_plain(renderer: Any, media_type: str | None) -> bool:
    """Whether this renderer would write just the bytes that are stored."""
    return type(renderer) is JSONRenderer and (
        media_type == JSONRenderer.media_type or renderer.get_indent(media_type, {}) is None
    )


class Bodies(Sequence[Any]):
    """The rows of a list as bytes, decoded for who looks at them."""

    def __init__(self, bodies: Iterable[bytes]) -> None:
        self.bodies = list(bodies)

    def __len__(self) -> int:
        return len(self.bodies)

    def __getitem__(self, index: Any) -> Any:
        chosen = self.bodies[index]
        return [parse(body) for body in chosen] if isinstance(index, slice) else parse(chosen)

    def render(self) -> bytes:
        """The bytes of the list."""
        return b"[" + _comma().join(body or b"null" for body in self.bodies) + b"]"


def envelope(data: Any, rows: Bodies) -> bytes | None:
    """The bytes of a paginated answer, its rows not decoded; None for a form not known."""
    if data is rows:
        return rows.render()
    if not isinstance(data, Mapping) or sum(value is rows for value in data.values()) != 1:
        return None
    return b"{" + _comma().join(_members(data, rows)) + b"}"


def _members(data: Mapping[str, Any], rows: Bodies) -> Iterator[bytes]:
    colon = b":" if JSONRenderer.compact else b": "
    for name, value in data.items():
        # In a list, for the renderer writes None alone as nothing.
        body = rows.render() if value is rows else render([value])[1:-1]
        yield render([str(name)])[1:-1] + colon + body


def _comma() -> bytes:
    return b"," if JSONRenderer.compact else b", "
