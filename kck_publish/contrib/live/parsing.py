"""What a request asks for: its keys, and what it has of them already. Pure but for the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, QueryDict

from ...conf import settings
from ...exceptions import KeyParameterMismatch
from ...products import registry
from ...products.product import Product

# A URL is logged by servers and proxies: it takes nothing beside these, and no credentials.
_KNOWN = {"key", "since", "body", "beat"}
_LARGEST = 2**63 - 1


class RefusedError(Exception):
    """A request that is answered by a status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Wanted:
    """What a client watches.

    Attributes:
        keys: the product and the typed parameters of each.
        unknown: keys that this code does not know, beside those: tabs of a browser share a stream,
            and a page of another release may be open in one.
        known: the versions that it has, by key.
        since: the version of its last event, of whichever key.
        body: whether it wants the values, and not only their versions.
        beat: whether it wants to see that the stream lives.
    """

    keys: Mapping[str, tuple[Product, Mapping[str, Any]]]
    unknown: Sequence[str] = ()
    known: Mapping[str, int] = field(default_factory=dict)
    since: int | None = None
    body: bool = True
    beat: bool = False


def parse(request: HttpRequest) -> Wanted:
    """What a request asks for.

    Raises:
        RefusedError: 400 of what cannot be read, 404 where there is none of the products, 413 of
            too many keys.
    """
    query = request.GET
    if unknown := sorted(set(query) - _KNOWN):
        raise RefusedError(
            400,
            f"Unknown: {', '.join(unknown)}. A stream takes key, since and body; who asks is "
            "told by a cookie or a header, never by the URL.",
        )
    names = list(dict.fromkeys(query.getlist("key")))
    if not names:
        raise RefusedError(400, "Name at least one key: ?key=author_page/1&key=...")
    if len(names) > settings.LIVE_KEYS:
        raise RefusedError(413, f"At most {settings.LIVE_KEYS} keys on one stream.")
    if query.get("body", "1") not in ("0", "1"):
        raise RefusedError(400, "body is 0 (versions only) or 1.")
    if query.get("beat", "1") not in ("0", "1"):
        raise RefusedError(400, "beat is 0 or 1.")
    known, since = _resumed(query, request.headers.get("Last-Event-ID"), names)
    keys: dict[str, tuple[Product, Mapping[str, Any]]] = {}
    refused: dict[str, RefusedError] = {}
    for name in names:
        try:
            keys[name] = _parsed(name)
        except RefusedError as error:
            refused[name] = error
    if not keys:
        raise refused[names[0]]
    body, beat = query.get("body", "1") == "1", query.get("beat") == "1"
    return Wanted(keys, tuple(refused), known, since, body, beat)


def _parsed(key: str) -> tuple[Product, Mapping[str, Any]]:
    product = registry.find(key) if "\0" not in key else None
    if product is None:
        raise RefusedError(404, f"Nobody computes {key!r}.")
    try:
        return product, product.parameters_of(key)
    except KeyParameterMismatch as error:
        raise RefusedError(400, f"{key!r}: {error}") from None


def _resumed(
    query: QueryDict, last: str | None, names: Sequence[str]
) -> tuple[dict[str, int], int | None]:
    """What the client has: ``Last-Event-ID``, which is later, else one ``since``, or one a key."""
    given = query.getlist("since")
    if last:
        given = [last]
    versions = [_version(text) for text in given]
    if len(names) == 1 and len(versions) == 1:
        return {names[0]: versions[0]}, versions[0]
    if len(versions) <= 1:
        return {}, versions[0] if versions else None
    if len(versions) != len(query.getlist("key")):
        raise RefusedError(400, "Give since once, or once for each key, in their order.")
    pairs = zip(query.getlist("key"), versions, strict=True)
    return {key: version for key, version in pairs if version}, None


def _version(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > _LARGEST:
        raise RefusedError(400, "since, and Last-Event-ID, is the version of an event: a number.")
    return int(text)
