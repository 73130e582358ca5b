"""One event of a key, and the bytes that all its watchers are sent. Pure."""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from ...following.stored_products import StoredProduct

VALUE, GONE, DENIED = "value", "gone", "denied"
# Shorter texts gain nothing by being compressed.
WORTHWHILE = 200


class Frame:
    """A piece of a stream, plain and compressed; made once for all who are sent it.

    The compressed form is a run of whole DEFLATE blocks that refers to nothing before it, so that
    the blocks of any frames, one after another, are one stream; no client needs a compressor of
    its own.
    """

    def __init__(self, plain: bytes) -> None:
        self.plain = plain

    @cached_property
    def packed(self) -> bytes:
        """The blocks. Source: RFC 1951."""
        level = 6 if len(self.plain) >= WORTHWHILE else 0
        compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        return compressor.compress(self.plain) + compressor.flush(zlib.Z_FULL_FLUSH)


class Event:
    """What is known of a key from some moment on.

    Attributes:
        kind: ``VALUE``, ``GONE`` or ``DENIED``.
        version: of the value; of a later value of the key it is greater. Of what is gone: the
            last one that was seen, or None.
        body: the stored JSON; None where there is no value.
        shape: what it leaves open of the types in it.
    """

    def __init__(
        self,
        key: str,
        kind: str,
        version: int | None,
        body: bytes | None = None,
        shape: bytes | None = None,
    ) -> None:
        self.key = key
        self.kind = kind
        self.version = version
        self.body = body
        self.shape = shape

    @property
    def identity(self) -> tuple[str, int | None]:
        """What is equal for two events of a key of which the second tells nothing new."""
        return self.kind, self.version if self.kind == VALUE else None

    @cached_property
    def full(self) -> Frame:
        """With the value."""
        return self._frame(self.body)

    @cached_property
    def brief(self) -> Frame:
        """Without."""
        return self._frame(None)

    def _frame(self, body: bytes | None) -> Frame:
        parts = [b"" if self.version is None else b"id: %d\n" % self.version]
        parts.append(b"event: %s\n" % self.kind.encode())
        parts.append(b"data: {%s}\n\n" % self._members(body))
        return Frame(b"".join(parts))

    def json(self, full: bool) -> bytes:
        """The event as JSON, for who polls."""
        members = self._members(self.body if full else None)
        return b'{"event":"%s",%s}' % (self.kind.encode(), members)

    def _members(self, body: bytes | None) -> bytes:
        version = b"null" if self.version is None else b"%d" % self.version
        members = b'"key":%s,"version":%s' % (orjson.dumps(self.key), version)
        return members if body is None else b'%s,"value":%s' % (members, body)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.key} {self.version}>"


def event_of(product: StoredProduct) -> Event:
    """The event of what is stored of a key, as it was read."""
    kind = GONE if product.value is None else VALUE
    return Event(product.key, kind, product.version, product.value, product.shape)
