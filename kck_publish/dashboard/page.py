"""A page: as HTML, and as the JSON that an open page asks for every few seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.backends.django import DjangoTemplates
from django.urls import NoReverseMatch, reverse
from django.utils.cache import get_conditional_response
from django.views.generic.base import View

from ..postgres import outside_transactions
from .access import refused, user_of
from .assets import CSP, address_of

_FOLDER = Path(__file__).parent / "templates"
_NAME = "kck_publish/dashboard"
TABS = (("overview", "Overview"), ("products", "Products"), ("graph", "Graph"))


class Page(View):
    """A page of the dashboard.

    Attributes:
        tab: the one of ``TABS`` that is marked.
        template: of the page.
        parts: the names of the templates in ``parts/`` that are rendered anew.
        as_data: whether this is the JSON: ``{"parts": {name: HTML}, ...}`` and what ``data`` says.
    """

    http_method_names = ["get", "head"]
    tab: ClassVar[str]
    template: ClassVar[str]
    parts: ClassVar[Sequence[str]] = ()
    as_data = False

    @outside_transactions
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:  # mostly the same database tells who asks
            answer = refused(request)
        except DatabaseError as error:
            answer = self._without_database(error)
        if answer is None:
            answer = super().dispatch(request, *args, **kwargs)
        answer.headers["Content-Security-Policy"] = CSP
        answer.headers["Referrer-Policy"] = "same-origin"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    def get(self, request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        """The page; 304 for who has it; 503 without the database."""
        try:
            shown = self.look(**arguments)
        except DatabaseError as error:
            return self._without_database(error)
        if not self.as_data:
            answer: HttpResponse = HttpResponse(
                self._render(self.template, shown, user_of(self.request))
            )
        else:
            parts = {name: self._render(f"parts/{name}", shown) for name in self.parts}
            answer = JsonResponse({"parts": parts, **self.data(shown)})
        etag = f'"{hashlib.sha256(answer.content).hexdigest()[:32]}"'
        answer.headers["ETag"] = etag
        answer.headers["Cache-Control"] = "private, no-cache"  # keep it, but ask each time
        return get_conditional_response(request, etag=etag, response=answer) or answer

    def look(self, **arguments: Any) -> dict[str, Any]:
        """What the templates show.

        Raises:
            DatabaseError: the database does not answer, or the library is not migrated there.
            Http404: there is no such page.
        """
        raise NotImplementedError

    def data(self, shown: dict[str, Any]) -> dict[str, Any]:
        """What the JSON has beside the parts."""
        return {}

    def _render(self, template: str, shown: dict[str, Any], user: Any = None) -> str:
        around = {
            "tabs": [
                {
                    "name": text,
                    "url": reverse(f"kck_publish_dashboard:{name}"),
                    "here": name == self.tab,
                }
                for name, text in TABS
            ],
            "parts": [f"{_NAME}/parts/{name}.html" for name in self.parts],
            "asset": _Assets(),
            "admin": _admin() if getattr(user, "is_staff", False) else None,
            "path": self.request.path,
            "query": self.request.GET.urlencode(),
        }
        text: str = _engine().get_template(f"{_NAME}/{template}.html").render({**around, **shown})
        return text

    def _without_database(self, error: DatabaseError) -> HttpResponse:
        shown = {"error": type(error).__name__}
        if self.as_data:
            return JsonResponse(shown, status=503)
        return HttpResponse(self._render("down", shown), status=503)


class _Assets:
    """``{{ asset.live_js }}`` is the address of ``live.js``."""

    def __getitem__(self, name: str) -> str:
        stem, _, kind = name.rpartition("_")
        return address_of(f"{stem}.{kind}")


@cache
def _engine() -> DjangoTemplates:
    """Of the dashboard's own, whatever template engines the project has."""
    return DjangoTemplates(
        {
            "NAME": "kck_publish_dashboard",
            "DIRS": [str(_FOLDER)],
            "APP_DIRS": False,
            "OPTIONS": {
                "libraries": {"kck_figures": f"{__package__}.filters"},
                "builtins": [f"{__package__}.filters"],
            },
        }
    )


def _admin() -> str | None:
    try:
        return reverse("admin:app_list", args=["kck_publish"])
    except NoReverseMatch:
        return None
