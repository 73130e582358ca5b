"""A body compressed once in a process, for each reader who accepts it so.

The compressed bytes are kept by the tag of the body: a value that is read a thousand times is
compressed once, a write costs nothing more, and a coding that no reader asks for is never made.

Source: RFC 9110, sections 8.8.3.3 (the tags of codings) and 12.5.3 (what a client accepts).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers

from ..products.content_codings import COMPRESS
from .http import Tagged

_LEAST = 200  # bytes: a shorter body gains nothing, as in Django's GZipMiddleware
_MOST = 32 << 20  # bytes that a process keeps
_ENTRY = 200  # bytes that an entry costs beside its body
_SUFFIX = re.compile(rf'-(?:{"|".join(COMPRESS)})"')


def accepted(request: HttpRequest, codings: Sequence[str]) -> str | None:
    """The coding that the client prefers, the first of equals; None for the body as it is."""
    wishes = {}
    for wish in request.META.get("HTTP_ACCEPT_ENCODING", "").lower().split(","):
        coding, _, quality = wish.partition(";")
        wishes[coding.strip()] = _quality(quality)
    preferred = [(wishes.get(coding, wishes.get("*", 0.0)), coding) for coding in codings]
    quality, coding = max(preferred, key=lambda pair: pair[0], default=(0.0, ""))
    return coding if quality > 0 else None


def _quality(parameter: str) -> float:
    name, _, value = parameter.replace(" ", "").partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0


class CompressedBodies:
    """The bodies asked for last, bounded by their bytes.

    Args:
        most: the bytes that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._bodies: OrderedDict[tuple[str, str], bytes | None] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, body: bytes, etag: str, coding: str) -> bytes | None:
        """The body in a coding; None where that is no shorter."""
        name = etag, coding
        with self._lock:
            if name in self._bodies:
                self._bodies.move_to_end(name)
                return self._bodies[name]
        packed: bytes | None = COMPRESS[coding](body)  # beside the lock: it takes its time
        if packed is not None and len(packed) >= len(body):
            packed = None
        with self._lock:
            if name not in self._bodies:
                self._bodies[name] = packed
                self._bytes += _size(packed)
            while self._bytes > self._most:
                self._bytes -= _size(self._bodies.popitem(last=False)[1])
        return packed


def _size(packed: bytes | None) -> int:
    return len(packed or b"") + _ENTRY


_compressed = CompressedBodies(_MOST)


def compressed(request: HttpRequest, codings: Sequence[str], answer: Tagged) -> Tagged:
    """The answer as this client accepts it; each coding has a tag of its own."""
    body, etag, modified, _ = answer
    coding = accepted(request, codings) if len(body) >= _LEAST else None
    packed = _compressed.get(body, etag, coding) if coding else None
    return answer if packed is None else Tagged(packed, f'{etag[:-1]}-{coding}"', modified, coding)


def say_coding(response: HttpResponseBase, answer: Tagged) -> None:
    """Set the headers of an answer that another client may be given in another coding."""
    patch_vary_headers(response, ["Accept-Encoding"])
    if answer.coding:
        response.headers["Content-Encoding"] = answer.coding


def without_codings(tags: str) -> str:
    """The tags of a condition, each as the tag of the body itself."""
    return _SUFFIX.sub('"', tags)
