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

from ..products.product import Parameters, Product
from ..stores import Stored
from ..stores.near.format import unpack
from ..stores.near.reader import NearReader
from .near import lookup_of
from .read import answer_to
from .values import bytes_of

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


def tagged(product: Product, parameters: Parameters) -> Tagged:
    """The stored bytes of a value, or what is computed for this reader alone.

    Raises:
        KeyParameterMismatch: the parameters do not fit.
        ObjectDoesNotExist: the product says that there is none.
        NotPrimed, Behind: see ``answer_to``.
    """
    near = lookup_of(product).find(parameters, NearReader.read_entry)
    if near is not None:
        record, body = near
        if (tags := _tags_of(record, body)) is not None:
            return Tagged(body, *tags)
    key = product.key_of(parameters)
    answer = answer_to(product, key)
    body = bytes_of(product, key, answer)
    return Tagged(body, etag_of(body), _modified(answer) if isinstance(answer, Stored) else None)


def etag_of(body: bytes) -> str:
    """The entity tag of an answer: a digest, so that a miss has that of the hits after it."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


# The tags of records of the near store, by what they say beside the body: their version, which no
# other value ever has. So long bodies are digested once in a process.
_known: dict[bytes, tuple[str, int | None]] = {}


def _tags_of(record: bytes, body: bytes) -> tuple[str, int | None] | None:
    """The tag and time of a record of the near store; None of one that is damaged.

    Args:
        record: what is said beside the body: the version, and when it was made.
    """
    found = _known.get(record)
    # Whose record it is does not matter here.
    if found is None and (stored := unpack("", "", record, b"")) is not None:
        if len(_known) >= _MOST:
            _known.clear()
        found = _known[record] = etag_of(body), _modified(stored)
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
    if not (  # the headers by which a request says what its reader has, as WSGI and ASGI name them
        "HTTP_IF_NONE_MATCH" in meta
        or "HTTP_IF_MODIFIED_SINCE" in meta
        or "HTTP_IF_MATCH" in meta
        or "HTTP_IF_UNMODIFIED_SINCE" in meta
    ):
        return response
    found = get_conditional_response(request, etag, modified, response)  # type: ignore[arg-type]
    assert found is not None
    return found
