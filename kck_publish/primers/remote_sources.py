"""Where remote products are read from: an HTTP server, or a file. ``remote`` uses these.

A fetch is conditional: it hands over what the source said of itself last time (an ETag, a time of
change), and the source may answer that it is unchanged. By Python's own library, no other.
"""

from __future__ import annotations

import os
import string
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any, Final
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit

from django.core.exceptions import ObjectDoesNotExist

from ..exceptions import FetchFailed, InvalidPrimer
from ..public import public_in

_CHUNK = 64 * 1024


class Unchanged:
    """The answer of a source that what it gave last time still holds."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = Unchanged()


@public_in("kck_publish")
@dataclass(frozen=True)
class Fetched:
    """What a source gave.

    Attributes:
        data: the bytes; of an own ``fetch``: the value.
        state: what to hand over at the next fetch, as JSON can hold it; {} to fetch it whole.
    """

    data: Any
    state: Mapping[str, Any] = field(default_factory=dict)


@public_in("kck_publish")
@dataclass(frozen=True)
class HttpSource:
    """A URL, read by GET.

    Args:
        url: http or https; ``{parameter}`` in it is filled with the key's parameter, escaped. In
            the path it may name no folder, for our credentials go along.
        headers: sent with each request, or what gives them (a token that changes). Never logged,
            and not sent to another host when the server redirects.
        timeout: seconds for the whole fetch. A listener waits for it.
        max_bytes: a longer answer is a failure.
        gone: statuses that say that there is no such product.

    Raises:
        InvalidPrimer: for another scheme, or a limit that is not positive.
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
        _check_limits("HttpSource", self.timeout, self.max_bytes)
        _pieces(self.url)

    @property
    def names(self) -> set[str]:
        """The parameters that fill the URL."""
        return _pieces(self.url)

    def fetch(self, state: Mapping[str, Any], parameters: Mapping[str, str]) -> Fetched | Unchanged:
        """Read it, unless it is unchanged.

        Args:
            state: of the last fetch; {} to read it whatever it is.
            parameters: what fills the URL, as text.

        Raises:
            FetchFailed: no answer, another status than 200, too long, too slow; a parameter would
                lead out of the path.
            ObjectDoesNotExist: a status in ``gone``.
        """
        _check_path(self.url, parameters)
        headers = dict(self.headers() if callable(self.headers) else self.headers)
        for name, header in (("etag", "If-None-Match"), ("modified", "If-Modified-Since")):
            if isinstance(said := state.get(name), str):
                headers[header] = said
        deadline = time.monotonic() + self.timeout
        where = urlsplit(self.url).netloc
        try:
            escaped = {name: quote(value, safe="") for name, value in parameters.items()}
            url = self.url.format_map(escaped)
            asked = request.Request(url, headers=headers)
            with _opener().open(asked, timeout=self.timeout) as answer:
                data = _read(answer, self.max_bytes, where, deadline)
                said = {"etag": answer.headers["ETag"], "modified": answer.headers["Last-Modified"]}
        except HTTPError as error:
            with error:
                if error.code == 304 and state:
                    return UNCHANGED
                if error.code in self.gone:
                    raise ObjectDoesNotExist(f"{where} answers {error.code}.") from None
            raise FetchFailed(where, f"status {error.code}") from None
        except (URLError, HTTPException, OSError, ValueError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            name = "unreachable" if isinstance(reason, str) else type(reason).__name__
            raise FetchFailed(where, name) from None
        return Fetched(data, {name: one for name, one in said.items() if one is not None})


@public_in("kck_publish")
@dataclass(frozen=True)
class FileSource:
    """A file that another program writes.

    Args:
        path: ``{parameter}`` in it is filled with the key's parameter, which may name no folder.
        max_bytes: a longer file is a failure.

    Raises:
        InvalidPrimer: for a limit that is not positive.
    """

    path: str | os.PathLike[str]
    max_bytes: int = 10_000_000

    def __post_init__(self) -> None:
        _check_limits("FileSource", 1, self.max_bytes)
        _pieces(os.fspath(self.path))

    @property
    def names(self) -> set[str]:
        """The parameters that fill the path."""
        return _pieces(os.fspath(self.path))

    def fetch(self, state: Mapping[str, Any], parameters: Mapping[str, str]) -> Fetched | Unchanged:
        """Read it, unless its time of change, size and place are those of the last time.

        Raises:
            FetchFailed: it cannot be read, is too long, or a parameter names a folder.
        """
        for value in parameters.values():
            if value in ("", ".", "..") or any(one in value for one in "/\\\0"):
                raise FetchFailed("a file", "a parameter that is no part of a file's name")
        path = Path(os.fspath(self.path).format_map(dict(parameters)))
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                now = {"mtime": found.st_mtime_ns, "size": found.st_size, "inode": found.st_ino}
                if state == now:
                    return UNCHANGED
                return Fetched(_read(file, self.max_bytes, path.name), now)
        except OSError as error:
            raise FetchFailed(path.name, type(error).__name__) from None


class _Redirects(request.HTTPRedirectHandler):
    """Follows redirects, but to no weaker scheme, and without the headers to no other host."""

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
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and old.netloc != new.netloc:
            following.headers.clear()
        return following


def _opener() -> request.OpenerDirector:
    """With http and https alone: urllib's own also knows ftp, data and files."""
    opener = request.OpenerDirector()
    handlers: list[request.BaseHandler] = [
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        _Redirects(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
    ]
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _read(source: Any, most: int, where: str, deadline: float | None = None) -> bytes:
    """Everything, but no more than so much, and no longer than so long."""
    take = getattr(source, "read1", source.read)
    data = bytearray()
    while chunk := take(_CHUNK):
        data += chunk
        if len(data) > most:
            raise FetchFailed(where, f"more than {most} bytes")
        if deadline is not None and time.monotonic() > deadline:
            raise FetchFailed(where, "too slow")
    if getattr(source, "length", None):
        raise FetchFailed(where, "an answer that was cut off")
    return bytes(data)


def _check_limits(name: str, timeout: float, max_bytes: int) -> None:
    if not timeout > 0 or not max_bytes > 0:
        raise InvalidPrimer(f"{name}: timeout and max_bytes are greater than zero.")


def _check_path(url: str, parameters: Mapping[str, str]) -> None:
    """Refuse a parameter that leads to another folder of the server, however it is written.

    Servers and proxies resolve "..", take "%2f" and "\\" for a slash, and some decode twice.

    Raises:
        FetchFailed: a parameter in the path is no part of a name.
    """
    parts = urlsplit(url)
    filled = {name: _decoded(value) for name, value in parameters.items()}
    inside = [filled[name] for name in _pieces(parts.path)]
    segments = [one.format_map(filled) for one in parts.path.split("/") if _pieces(one)]
    named = [segment.partition(";")[0] for segment in segments]
    if (
        any(character in value for value in inside for character in "/\\")
        or not all(map(str.isprintable, inside))
        or any(name.strip() in ("", ".", "..") for name in named)
    ):
        raise FetchFailed(parts.netloc, "a parameter that is no part of a path's name")


def _decoded(value: str) -> str:
    """The text without percent escapes, however often it was escaped."""
    while (plain := unquote(value)) != value:
        value = plain
    return value


def _pieces(text: str) -> set[str]:
    """The names in braces. Raises InvalidPrimer for anything else in them."""
    try:
        found = [(name, form, turn) for _, name, form, turn in string.Formatter().parse(text)]
    except ValueError:
        found = [("", None, None)]
    pieces = [(name, form, turn) for name, form, turn in found if name is not None]
    if any(not name.isidentifier() or form or turn for name, form, turn in pieces):
        raise InvalidPrimer(f"{text!r}: braces hold the name of a parameter, and nothing else.")
    return {name for name, _, _ in pieces}
