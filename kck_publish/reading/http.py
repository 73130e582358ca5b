"""An HTTP answer from stored bytes: its validators, and 304 for who has it already.

``views`` and ``contrib.rest_framework`` answer by it; what is stored is sent as it is.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date as _http_date

from ..products.product import Product
from ..stores import Stored
from ..stores.near.format import unpack
from .near import lookup_of
from .read import answer_to
from .values import bytes_of

# The headers by which a request says what its reader has already, as WSGI and ASGI name them.
_CONDITIONS = (
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_MATCH",
    "HTTP_IF_UNMODIFIED_SINCE",
)
_MOST = 4096
http_date = lru_cache(maxsize=1024)(_http_date)


class Tagged(NamedTuple):
    """The bytes of a value, and by what its next reader tells whether they are the same.

    Attributes:
        etag: the entity tag: equal for equal answers, whichever process gives them.
        modified: when the value was made, in seconds since 1970; None: just now, for this reader.
        coding: the content coding of the body; None: the bytes are as they are stored.
    """

    body: bytes
    etag: str
    modified: int | None
    coding: str | None = None


def tagged(product: Product, key: str) -> Tagged:
    """The stored bytes of a key, or what is computed for this reader alone.

    Raises:
        ObjectDoesNotExist: the product says that there is none.
        NotPrimed, Behind: see ``answer_to``.
    """
    near = lookup_of(product).record(key)
    if near is not None and (tags := _tags_of(key, product.fingerprint, *near)) is not None:
        return Tagged(near[1], *tags)
    answer = answer_to(product, key)
    body = bytes_of(product, key, answer)
    return Tagged(body, etag_of(body), _modified(answer) if isinstance(answer, Stored) else None)


def etag_of(body: bytes) -> str:
    """The entity tag of an answer: a digest, so that a miss has that of the hits after it."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


# The tags of records of the near store, by what they say beside the body: their version, which no
# other value ever has. So long bodies are digested once in a process.
_known: dict[bytes, tuple[str, int | None]] = {}


def _tags_of(key: str, fingerprint: str, rest: bytes, body: bytes) -> tuple[str, int | None] | None:
    """The tag and time of a record of the near store; None of one that is damaged.

    Args:
        rest: what the record says beside the body: the version, and when it was made.
    """
    found = _known.get(rest)
    if found is None and (stored := unpack(key, fingerprint, rest, b"")) is not None:
        if len(_known) >= _MOST:
            _known.clear()
        found = _known[rest] = etag_of(body), _modified(stored)
    return found


def _modified(stored: Stored) -> int | None:
    return None if stored.primed_at is None else int(stored.primed_at.timestamp())


def conditional(
    request: HttpRequest, response: HttpResponseBase, etag: str, modified: int | None
) -> HttpResponseBase:
    """The response with its validators, or a 304 (412) when the request's conditions say so.

    Source: RFC 9110, sections 8.8 and 13.
    """
    response.headers["ETag"] = etag
    if modified is not None:
        response.headers["Last-Modified"] = http_date(modified)
    meta = request.META
    if not any(header in meta for header in _CONDITIONS):
        return response
    found = get_conditional_response(request, etag, modified, response)  # type: ignore[arg-type]
    assert found is not None
    return found
