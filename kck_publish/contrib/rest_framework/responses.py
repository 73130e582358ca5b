"""A Response whose body is at hand: stored bytes, decoded only for who looks at the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework.response import Response

from .rendering import is_plain


class StoredResponse(Response):
    """What a view answers from a product.

    Args:
        body: as JSONRenderer writes it, maybe in a content coding, which a header then names.
        decode: gives the data, for another renderer and for code that reads ``response.data``.
    """

    def __init__(self, body: bytes, decode: Callable[[], Any], **options: Any) -> None:
        super().__init__(None, **options)
        self._body: bytes | None = body
        self._decode = decode

    @property
    def data(self) -> Any:
        """The data. Who has it may change it, so then it is rendered anew."""
        if self._body is not None:
            self._data, self._body = self._decode(), None
            self.headers.pop("Content-Encoding", None)
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self._data, self._body = value, None

    @property
    def rendered_content(self) -> bytes:
        if self._body is not None and is_plain(self.accepted_renderer, self.accepted_media_type):
            self.renderer_context["response"] = self
            self["Content-Type"] = self.content_type or self.accepted_renderer.media_type
            if not self._body:
                del self["Content-Type"]
            return self._body
        return bytes(super().rendered_content)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """As the framework's own Response: a page that a cache keeps names no class of ours."""
        state: Any = self.__getstate__()
        data = self._data if self._body is None else self._decode()
        for name in ("_data", "_body", "_decode"):
            state.pop(name, None)
        return Response, (), {**state, "data": data}
