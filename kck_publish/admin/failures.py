"""The keys whose refresh failed, with message and traceback; retried and discarded here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.http import HttpRequest

from ..conf import settings
from ..contrib.kafka import dead_letters
from ..ops import failing
from ..ops.entries import Place
from ..ops.failing import STATES, Match
from ..ops.show_value import hidden
from ..products import registry
from .acts import Act, Selection
from .log import Line, record
from .page import SIZE, Page
from .rights import may_see_messages


class FailuresPage(Page):
    """Keys that are tried again, and dead letters; those of Kafka's consumers on the first page."""

    table = "failure"
    template = "failures.html"

    def acts(self) -> Mapping[str, Act]:
        return {
            "retry": Act("Retry now", self.retry),
            "discard": Act("Discard", self.discard, confirm=True, dangerous=True),
        }

    def listing(self, request: HttpRequest) -> dict[str, Any]:
        match, after = _match(request), Place.parse(request.GET.get("after", ""))
        with self.cursor() as cursor:
            page = failing.page(cursor, match, after, SIZE)
            of_kafka = [] if after or match != Match() else dead_letters.dead(cursor, SIZE)
        query = {name: value for name, value in vars(match).items() if value}
        return {
            "page": page,
            "match": match,
            "states": STATES,
            "products": sorted(registry.graph().products),
            "letters": of_kafka,
            "first": after is not None and f"?{urlencode(query)}",
            "next": page.after and f"?{urlencode({**query, 'after': page.after})}",
            "filtered": bool(query),
            "sees_messages": may_see_messages(request),
            "hidden": hidden({failure.product for failure in page.failing}),
        }

    def retry(self, request: HttpRequest, selection: Selection) -> str:
        """Have them tried again now, dead letters from the first attempt on."""
        retried, line = 0, Line(request, self.model, selection.which)
        for keys in self._portions(request, selection):
            with transaction.atomic(using=settings.DATABASE), self.cursor() as cursor:
                kafka = dead_letters.revive(cursor, [key for key in keys if _is_kafka(key)])
                failed = [key for key in keys if not _is_kafka(key)]
                retried += len(kafka) + failing.retry(cursor, failed)
                if selection.everything:
                    line.says(f"Retried. {retried} keys.")
                else:
                    record(request, self.model, [*kafka, *failed], "Retried.")
        if selection.everything and not retried:
            line.says("Retried. 0 keys.")
        return f"{retried:,} keys are tried again."

    def discard(self, request: HttpRequest, selection: Selection) -> str:
        """Forget the dead letters among them; their values stay as they are, behind."""
        discarded, line = 0, Line(request, self.model, selection.which, deletes=True)
        for keys in self._portions(request, selection):
            with transaction.atomic(using=settings.DATABASE), self.cursor() as cursor:
                gone = [*failing.discard(cursor, keys), *dead_letters.discard(cursor, keys)]
                discarded += len(gone)
                if selection.everything:
                    line.says(f"Discarded. {discarded} dead letters.")
                else:
                    record(request, self.model, gone, "Discarded.", deletes=True)
        if selection.everything and not discarded:
            line.says("Discarded. 0 dead letters.")
        return f"{discarded:,} dead letters discarded."

    def _portions(self, request: HttpRequest, selection: Selection) -> Iterator[list[str]]:
        """The keys that an act is on, some thousand at once."""
        if not selection.everything:
            yield list(selection.names)
            return
        with self.cursor() as cursor:
            for part in failing.pages(cursor, _match(request)):
                yield [failure.key for failure in part]
            if _match(request) == Match():  # then the page lists them, too
                yield [letter["key"] for letter in dead_letters.dead(cursor)]


def _is_kafka(key: str) -> bool:
    return key.startswith("kafka:")


def _match(request: HttpRequest) -> Match:
    get = request.GET.get
    state = get("state", "")
    return Match(
        get("product", "").replace("\0", ""),
        state if state in STATES else "",
        get("error", "").replace("\0", ""),
    )
