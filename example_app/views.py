"""The example's pages: each view reads the store once and queries no source.

The JSON answers *are* the stored bytes. The pages are rendered from the same bytes, and then follow
the JSON by conditional GET (`templates/example_app/refresh.js`).
"""

import hashlib
import json
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response

from kck_publish import Cache

from .loading import FIRST_DAY, LAST_DAY
from .primers import DepartureBoard, NetworkRanking

AIRPORTS = {"EWR": "Newark", "JFK": "Kennedy", "LGA": "LaGuardia"}
TEMPLATES = ["base.html", "board.html", "ranking.html", "style.css", "refresh.js"]


def home(request: HttpRequest) -> HttpResponse:
    """Lead to a board."""
    return redirect("board", airport="JFK", day=FIRST_DAY)


def board(request: HttpRequest, airport: str, day: date) -> HttpResponseBase:
    """The departure board of an airport on a day."""
    stored = _board_bytes(airport, day)

    def page() -> HttpResponse:
        context = {
            "board": json.loads(stored),
            "day": day,
            "airports": AIRPORTS,
            "day_before": day - timedelta(days=1) if day > FIRST_DAY else None,
            "day_after": day + timedelta(days=1) if day < LAST_DAY else None,
            "json_url": reverse("board-json", args=[airport, day]),
            "json_etag": _etag(stored),
            "key": Cache.get_instance().build_key("departure_board", airport=airport, day=day),
        }
        return render(request, "example_app/board.html", context)

    return _conditional(request, _etag(stored, _templates_hash()), page)


def board_json(request: HttpRequest, airport: str, day: date) -> HttpResponseBase:
    """The stored bytes of a board."""
    return _json(request, _board_bytes(airport, day))


def ranking(request: HttpRequest) -> HttpResponseBase:
    """The ranking of the carriers."""
    stored = NetworkRanking.cached.get_bytes()

    def page() -> HttpResponse:
        context = {
            "ranking": json.loads(stored),
            "airports": AIRPORTS,
            "day": FIRST_DAY,
            "json_url": reverse("ranking-json"),
            "json_etag": _etag(stored),
            "key": NetworkRanking.key,
        }
        return render(request, "example_app/ranking.html", context)

    return _conditional(request, _etag(stored, _templates_hash()), page)


def ranking_json(request: HttpRequest) -> HttpResponseBase:
    """The stored bytes of the ranking."""
    return _json(request, NetworkRanking.cached.get_bytes())


def _board_bytes(airport: str, day: date) -> bytes:
    # What cannot exist is not asked for: nobody can fill the store with made-up addresses.
    if airport not in AIRPORTS or not FIRST_DAY <= day <= LAST_DAY:
        raise Http404(f"There is no departure board of {airport} on {day}.")
    try:
        stored: bytes = DepartureBoard.cached.get_bytes(airport=airport, day=day)
    except ObjectDoesNotExist as error:
        raise Http404(str(error)) from error
    return stored


def _json(request: HttpRequest, stored: bytes) -> HttpResponseBase:
    return _conditional(
        request, _etag(stored), lambda: HttpResponse(stored, content_type="application/json")
    )


def _conditional(
    request: HttpRequest, etag: str, respond: Callable[[], HttpResponse]
) -> HttpResponseBase:
    """Answer 304 when the client has this very version, else what ``respond`` makes."""
    response: HttpResponseBase | None = get_conditional_response(request, etag=etag)
    if response is None:
        response = respond()
    response["ETag"] = etag
    response["Cache-Control"] = "no-cache"  # keep it, but ask each time
    return response


def _etag(stored: bytes, *more: bytes) -> str:
    return f'"{hashlib.sha256(b"".join([stored, *more])).hexdigest()[:32]}"'


@cache
def _templates_hash() -> bytes:
    """A page changes with its templates, too."""
    folder = Path(__file__).parent / "templates" / "example_app"
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in TEMPLATES)).digest()
