"""The views that ``http`` asks: a page of 7 KB by several ways, and an API with nesting."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from benchmarks.primers import AuthorPage
from kck_publish.views import ProductView

# As long as the page is.
CONSTANT = b'{"text": "%s"}' % (b"x" * 7_400)


def constant(request: HttpRequest, author: int) -> HttpResponse:
    """As fast as a view of Django can be, found by a URL of the same form as the others."""
    return HttpResponse(CONSTANT, content_type="application/json")


def computed(request: HttpRequest, author: int) -> HttpResponse:
    """The page as the ORM makes it."""
    return JsonResponse(AuthorPage().compute(author=author))


urlpatterns: list[Any] = [
    path("constant/<int:author>/", constant),
    path("computed/<int:author>/", computed),
    path("product/<int:author>/", ProductView.as_view(primer=AuthorPage, public=True)),
]
if os.environ.get("KCK_BENCH_PEER") == "django_eventstream":
    from django_eventstream.views import events

    urlpatterns.append(path("events/", events))
if os.environ.get("KCK_BENCH_API") and find_spec("rest_framework"):
    from benchmarks.api import urlpatterns as api

    urlpatterns += api
