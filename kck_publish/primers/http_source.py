"""HttpSource: an HTTP server that a remote product is read from, by Python's own library."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit

from django.core.exceptions import ObjectDoesNotExist
from django.utils.crypto import salted_hmac

from ..exceptions import FetchFailed, InvalidPrimer
from ..public_names import public_in
from .deadline import InTimeHTTPHandler, InTimeHTTPSHandler
from .fetching import UNCHANGED, Fetched, Unchanged, check_limits, placeholders, read_limited

_CONDITIONS = {"etag": "If-None-Match", "modified": "If-Modified-Since"}


@public_in("kck_publish")
@dataclass(frozen=True)
class HttpSource:
    """A URL, read by GET.

    Args:
        url: http or https; ``{parameter}`` in it is filled with the key's parameter, escaped. A
            parameter in the path must not lead to another folder: the request has credentials.
        headers: sent with each request, or a callable that returns them (a token that changes).
            Never logged, and not sent to another host when the server redirects.
        timeout: seconds for the whole fetch. A listener waits for it.
        max_bytes: a longer answer is a failure; where it is compressed, of either form.
        gone: statuses that say that there is no such product.

    Raises:
        InvalidPrimer: for another scheme, or an option of the wrong kind.
    """

    url: str
    headers: Mapping[str, str] | Callable[[], Mapping[str, str]] = field(
        default_factory=dict, repr=False
    )
    timeout: float = 10.0
    max_bytes: int = 10_000_000
    gone: Iterable[int] = (410,)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.netloc or "{" in parts.netloc:
            raise InvalidPrimer("HttpSource: the URL begins with http://host or https://host.")
        if parts.username is not None or parts.password is not None:
            raise InvalidPrimer("HttpSource: give credentials in headers, not in the URL.")
        check_limits("HttpSource", self.timeout, self.max_bytes)
        placeholders(self.url)
        try:
            callable(self.headers) or dict(self.headers)
            object.__setattr__(self, "gone", tuple(self.gone))
        except (TypeError, ValueError):
            raise InvalidPrimer("HttpSource: headers is a dict, gone a list of statuses.") from None
        if not all(isinstance(status, int) for status in self.gone):
            raise InvalidPrimer("HttpSource: the statuses in gone are numbers.")

    @property
    def names(self) -> set[str]:
        """The parameters that fill the URL."""
        return placeholders(self.url)

    def fetch(
        self, state: Mapping[str, Any], parameters: Mapping[str, str]
    ) -> Fetched[bytes] | Unchanged:
        """Read it, unless it is unchanged.

        Args:
            state: of the last fetch; {} to read it whatever it is.
            parameters: what fills the URL, as text.

        Raises:
            FetchFailed: no answer, another status than 200, too long, too slow, in a coding that
                is not known; a parameter would lead out of the path.
            ObjectDoesNotExist: a status in ``gone``.
        """
        _check_path(self.url, parameters)
        headers = dict(self.headers() if callable(self.headers) else self.headers)
        where = urlsplit(self.url).netloc
        try:
            escaped = {name: quote(value, safe="") for name, value in parameters.items()}
            url = self.url.format_map(escaped)
            asked_for = self._identity(url)
            conditions = {
                header: state[name]
                for name, header in _CONDITIONS.items()
                if name in state and state.get("of") == asked_for
            }
            asked = request.Request(url, headers={**headers, **conditions})
            opener = _opener(time.monotonic() + self.timeout)
            with opener.open(asked, timeout=self.timeout) as answer:
                if answer.status != 200:
                    raise FetchFailed(where, f"status {answer.status}")
                data = read_limited(answer, self.max_bytes, where)
                data = _plain(data, answer.headers["Content-Encoding"], self.max_bytes, where)
                said = {"etag": answer.headers["ETag"], "modified": _settled(answer.headers)}
        except HTTPError as error:
            with error:
                if error.code == 304 and conditions:
                    return UNCHANGED
                if error.code in self.gone:
                    raise ObjectDoesNotExist(f"{where} answers {error.code}.") from None
            raise FetchFailed(where, f"status {error.code}") from None
        except (URLError, HTTPException, OSError, ValueError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            name = "unreachable" if isinstance(reason, str) else type(reason).__name__
            raise FetchFailed(where, name) from None
        known = {name: value for name, value in said.items() if value is not None}
        return Fetched(data, {**known, "of": asked_for} if known else {})

    def _identity(self, url: str) -> str:
        """Tells what was asked for from what a later declaration asks for, and no secret in it."""
        headers = None if callable(self.headers) else sorted(self.headers.items())
        asked = repr((url, headers))
        return salted_hmac("kck_publish.HttpSource", asked, algorithm="sha256").hexdigest()


class _Redirects(request.HTTPRedirectHandler):
    """Follows redirects to no weaker scheme; another host gets no headers.

    Args:
        deadline: by ``time.monotonic``, for all of them together.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def redirect_request(
        self,
        req: request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> request.Request | None:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme not in ("https", old.scheme):
            fp.close()
            raise FetchFailed(old.netloc, f"a redirect to {new.scheme}")
        req.timeout = max(self._deadline - time.monotonic(), 0.001)
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and old.netloc != new.netloc:
            following.headers.clear()
        return following


def _opener(deadline: float) -> request.OpenerDirector:
    """An opener of http and https alone: urllib's own also opens ftp, data and files."""
    opener = request.OpenerDirector()
    handlers: list[request.BaseHandler] = [
        request.ProxyHandler(),
        InTimeHTTPHandler(deadline),
        InTimeHTTPSHandler(deadline),
        _Redirects(deadline),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
    ]
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _settled(headers: HTTPMessage) -> str | None:
    """The Last-Modified of an answer, unless what it is of may change within the same second.

    Source: RFC 9110, 8.8.2.2.
    """
    said: str | None = headers["Last-Modified"]
    try:
        modified = parsedate_to_datetime(headers["Last-Modified"])
        settled = parsedate_to_datetime(headers["Date"]) - modified > timedelta(seconds=1)
    except (TypeError, ValueError):
        return None  # one of them is not there, or is no time
    return said if settled else None


def _plain(data: bytes, coding: str | None, most: int, where: str) -> bytes:
    """An answer out of its content coding: some servers compress whatever was asked for.

    Raises:
        FetchFailed: it is in another coding than gzip or deflate, too long, or cut off.
    """
    name = (coding or "identity").strip().lower()
    if name == "identity":
        return data
    if name not in ("gzip", "x-gzip", "deflate"):
        raise FetchFailed(where, f"an answer in the coding {name[:20]}")
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # its head tells which
    try:
        plain = inflate.decompress(data, most + 1)
    except zlib.error:
        raise FetchFailed(where, f"an answer that is no {name}") from None
    if len(plain) > most:
        raise FetchFailed(where, f"more than {most} bytes")
    if not inflate.eof:
        raise FetchFailed(where, "an answer that was cut off")
    return plain


def _check_path(url: str, parameters: Mapping[str, str]) -> None:
    """Refuse a parameter that would leave its segment of the path, in whatever spelling.

    Servers and proxies resolve "..", take "%2f" and "\\" for a slash, and some decode twice.

    Raises:
        FetchFailed: a parameter would leave its segment.
    """
    parts = urlsplit(url)
    filled = {name: _decoded(value) for name, value in parameters.items()}
    inside = [filled[name] for name in placeholders(parts.path)]
    segments = [
        segment.format_map(filled) for segment in parts.path.split("/") if placeholders(segment)
    ]
    named = [segment.partition(";")[0] for segment in segments]
    if (
        any(character in value for value in inside for character in "/\\")
        or not all(map(str.isprintable, inside))
        or any(name.strip() in ("", ".", "..") for name in named)
    ):
        raise FetchFailed(parts.netloc, "a parameter that would leave its segment of the path")


def _decoded(value: str) -> str:
    """The text without percent escapes, however often it was escaped."""
    while (plain := unquote(value)) != value:
        value = plain
    return value
