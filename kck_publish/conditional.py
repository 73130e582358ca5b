"""An HTTP answer from stored bytes: its validators, and 304 for who has it already.

``views`` and ``contrib.rest_framework`` answer by it; what is stored is sent as it is.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from hashlib import blake2b

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import http_date as _http_date

from .products import Product
from .reading import Answer
from .stores import Stored

# The headers by which a request says what its reader has already, as WSGI and ASGI name them.
_CONDITIONS = (
    "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE",
)  # fmt: skip
http_date = lru_cache(maxsize=1024)(_http_date)


def etag_of(product: Product, answer: Answer, body: bytes) -> str:
    """The entity tag: equal for equal answers, whichever process gives them.

    A stored value is told by its version, which no other value ever has. What was computed for this
    reader alone has none: there the bytes themselves are digested.
    """
    if isinstance(answer, Stored):
        body = f"{answer.address.key}\n{answer.version}".encode()
    return f'"{blake2b(product.fingerprint.encode() + body, digest_size=12).hexdigest()}"'


def primed_at(answer: Answer) -> datetime | None:
    """When a stored value was made; None for one that was computed just now."""
    return answer.primed_at if isinstance(answer, Stored) else None


def conditional(
    request: HttpRequest, response: HttpResponseBase, etag: str, modified: datetime | None
) -> HttpResponseBase:
    """The response with its validators, or a 304 (412) when the request's conditions say so.

    Source: RFC 9110, sections 8.8 and 13.
    """
    response.headers["ETag"] = etag
    seconds = None
    if modified is not None:
        seconds = int(modified.timestamp())
        response.headers["Last-Modified"] = http_date(seconds)
    meta = request.META
    if not any(one in meta for one in _CONDITIONS):
        return response
    found = get_conditional_response(request, etag, seconds, response)  # type: ignore[arg-type]
    assert found is not None
    return found
