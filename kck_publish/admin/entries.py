"""The stored entries: found by key, product and state; refreshed, verified and removed here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern

from ..chunks import chunks
from ..conf import settings
from ..log import refreshes
from ..ops.entries import STATES, Listed, Match, Place, page, pages
from ..ops.figures import estimate
from ..ops.verify import audit_keys
from ..products import registry
from ..reading import manual_write
from ..stores import Address
from .acts import Act, Selection
from .explained import ExplainedKeys
from .log import Line, record
from .page import SIZE
from .verified import PATIENCE, SECONDS, verified

# Keys that one transaction removes, or asks the refresh of.
PORTION = 2_000


class EntriesPage(ExplainedKeys):
    """The entries, page by page, and from there each key explained."""

    table = "entry"
    template = "entries.html"

    def acts(self) -> Mapping[str, Act]:
        return {
            "refresh": Act("Refresh", self.refresh),
            "verify": Act("Verify", self.verify),
            "remove": Act("Remove", self.remove, confirm=True, dangerous=True),
        }

    def get_urls(self) -> list[URLPattern]:
        return [*super().get_urls(), *self.addresses_of_keys()]

    def listing(self, request: HttpRequest) -> dict[str, Any]:
        match, graph = _match(request), registry.graph()
        after = Place.parse(request.GET.get("after", ""))
        with self.cursor() as cursor:
            found = page(cursor, graph, match, after, SIZE)
            about = estimate(cursor, match.product)
        query = _query(match)
        return {
            "page": found,
            "match": match,
            "states": STATES,
            "products": sorted(graph.products),
            "about": about,
            "first": after is not None and f"?{urlencode(query)}",
            "next": found.after and f"?{urlencode({**query, 'after': found.after})}",
            "filtered": bool(query),
        }

    def refresh(self, request: HttpRequest, selection: Selection) -> str:
        """Ask for a refresh of each, which the listener does."""
        match, declared = _match(request), registry.graph().products
        message, line = "Asked for a refresh.", Line(request, self.model, selection.which)
        if selection.everything and match.is_whole_product and match.product in declared:
            with transaction.atomic(using=settings.DATABASE), self.cursor() as cursor:
                refreshes.log_whole(cursor, [match.product])
                line.says(message)
            return f"The listener refreshes all stored keys of {match.product}."
        asked = 0
        for addresses in self._portions(request, selection):
            keys = [key for key, _ in addresses if key.partition("/")[0] in declared]
            with transaction.atomic(using=settings.DATABASE), self.cursor() as cursor:
                refreshes.log(cursor, refreshes.REFRESH, keys)
                asked += len(keys)
                if selection.everything:
                    line.says(f"{message} {asked} keys.")
                else:
                    record(request, self.model, keys, message)
        if selection.everything and not asked:
            line.says(f"{message} 0 keys.")
        return f"The listener refreshes {asked:,} keys."

    def verify(self, request: HttpRequest, selection: Selection) -> HttpResponse:
        """Compare each with a fresh compute, as far as the time of a request allows."""
        keys = [key for key, _ in chain.from_iterable(self._portions(request, selection, 1))]
        report = audit_keys(keys, PATIENCE, SECONDS)
        message = f"Verified {report.compared} keys."
        if selection.everything:
            Line(request, self.model, selection.which).says(message)
        else:
            record(request, self.model, keys, "Verified.")
        return verified(self, request, report, None if selection.everything else len(keys))

    def remove(self, request: HttpRequest, selection: Selection) -> str:
        """Remove what is stored; whoever reads it next primes it."""
        match, message, removed = _match(request), "Removed from the store.", 0
        line = Line(request, self.model, selection.which, deletes=True)
        for addresses in self._portions(request, selection):
            with transaction.atomic(using=settings.DATABASE):
                removed += manual_write.take_all_away(addresses)
                if selection.everything:
                    line.says(f"{message} {removed} entries.")
                else:
                    keys = [key for key, _ in addresses]
                    record(request, self.model, keys, message, deletes=True)
        if selection.everything and not removed:
            line.says(f"{message} 0 entries.")
        return f"{removed:,} entries removed{f' of {match.product}' if match.product else ''}."

    def _portions(
        self, request: HttpRequest, selection: Selection, most: int | None = None
    ) -> Iterator[Sequence[Address]]:
        """The addresses that an act is on, some at once.

        Args:
            most: of how many pages of what matches; None: all.
        """
        if not selection.everything:
            yield from chunks([_address(name) for name in selection.names], PORTION)
            return
        with self.cursor() as cursor:
            for number, listed in enumerate(pages(cursor, registry.graph(), _match(request))):
                if number == most:
                    return
                yield from chunks(_addresses(listed), PORTION)


def _address(name: str) -> Address:
    """The address that the box of an entry says: the template joins the two."""
    fingerprint, _, key = name.partition(" ")
    return Address(key, fingerprint)


def _addresses(listed: Iterable[Listed]) -> list[Address]:
    return [entry.address for entry in listed]


def _match(request: HttpRequest) -> Match:
    get = request.GET.get
    state = get("state", "")
    text = get("q", "").replace("\0", "").strip()
    return Match(get("product", "").replace("\0", ""), state if state in STATES else "", text)


def _query(match: Match) -> dict[str, str]:
    query = {"product": match.product, "state": match.state, "q": match.text}
    return {name: value for name, value in query.items() if value}
