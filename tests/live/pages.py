"""A page with a live fragment, and what it needs; for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

import kck_publish
from kck_publish import Depends, FragmentPrimer, IntegerParameter, Public
from kck_publish.contrib.live import LiveView
from kck_publish.contrib.live.parsing import RefusedError, Wanted
from kck_publish.products import registry
from kck_publish.products.rights import Rule
from tests.catalog.models import Author, Book

STATIC = Path(kck_publish.__file__).parent / "static"
PAGE = """<!doctype html><title>live</title>{% load kck_publish %}
<body>{% for author in authors %}{% live "live_card" author=author %}{% endfor %}
{% live "live_card" author=authors.0 %}</body>"""


class LiveCard(FragmentPrimer):
    key = "live_card"
    parameters = (IntegerParameter("author"),)
    depends_on = (Depends(Author, author="pk"), Depends(Book, author="author_id"))
    template_name = "catalog/live_card.html"
    live: Rule = Public

    def context(self, author: int) -> dict[str, Any]:
        return {
            "author": Author.objects.get(pk=author),
            "books": Book.objects.filter(author=author).order_by("pk"),
        }


CARD = registry.get("live_card")
registry.unregister("live_card")  # of the tests that want it


class NoStreams(LiveView):
    """As under WSGI."""

    async def stream(self, request: HttpRequest, wanted: Wanted) -> Any:
        raise RefusedError(501, "no")


def show(request: HttpRequest) -> HttpResponse:
    authors = request.GET["authors"].split(",")
    page = engines["django"].from_string(PAGE)
    return HttpResponse(page.render({"authors": list(map(int, authors))}, request))


def script(request: HttpRequest) -> HttpResponse:
    """Whole: Django's own view reads files synchronously, of which it warns under ASGI."""
    body = (STATIC / "kck_publish" / "live.js").read_bytes()
    return HttpResponse(body, content_type="text/javascript")


def guarded(request: HttpRequest) -> HttpResponse:
    """What stands before the server lets nobody through."""
    return HttpResponse("<h1>Forbidden</h1>", status=403)


urlpatterns = [
    path("show/", show),
    path("guarded/", guarded),
    path("wsgi/", NoStreams.as_view()),
    path("static/kck_publish/live.js", script),
]
