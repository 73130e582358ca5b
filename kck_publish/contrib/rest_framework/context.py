"""What a product's serializer finds as its context: no request, unless the primer brings one.

A product is computed in the listener, for all readers. A serializer that asks for the request
would answer for the reader who happened to come first, so it is told what to declare instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from ...exceptions import RequestNeeded


class ProductRequest:
    """The request of a product that depends on the user, or on the host; nothing else of one.

    Args:
        primer: the name for messages.
        base_url: what URLs begin with; None where that is not declared.
        user: whose product it is; None where it is everybody's.
    """

    versioning_scheme = None
    GET: dict[str, str] = {}

    def __init__(self, primer: str, base_url: str | None, user: Any = None) -> None:
        self._primer, self._base_url, self._user = primer, base_url, user

    @property
    def user(self) -> Any:
        """Whose product it is."""
        if self._user is None:
            raise RequestNeeded(self._primer, "request.user")
        return self._user

    def build_absolute_uri(self, location: str = "") -> str:
        """The location under the declared host."""
        if self._base_url is None:
            raise RequestNeeded(self._primer, "request.build_absolute_uri()")
        return urljoin(self._base_url, location)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RequestNeeded(self._primer, f"request.{name}")


class ProductContext(dict[str, Any]):
    """A serializer's context. Whatever it does not have is refused, not taken for missing."""

    def __init__(self, primer: str, request: ProductRequest | None) -> None:
        super().__init__(format=None)
        self._primer = primer
        if request is not None:
            self["request"] = request

    def __missing__(self, name: str) -> Any:
        raise RequestNeeded(self._primer, f"context[{name!r}]")

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]

    def __contains__(self, name: object) -> bool:
        return self[str(name)] is not None or name == "format"

    def __iter__(self) -> Iterator[str]:
        """A copy would take what is refused here for missing."""
        raise RequestNeeded(self._primer, "all of its context")

    def keys(self) -> Any:
        return iter(self)

    def items(self) -> Any:
        return iter(self)

    def values(self) -> Any:
        return iter(self)

    def copy(self) -> ProductContext:
        """This context: nobody writes into it."""
        return self
