"""A departure board: the query of its flights, and what is made of them for ``DepartureBoard``.

A row is ready to be shown: the page prints its texts, and decides nothing.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from .models import Flight

NEW_YORK = ZoneInfo("America/New_York")

_FIELDS = [
    "pk",
    "origin_id",
    "origin__name",
    "day",
    "scheduled",
    "carrier_id",
    "carrier__name",
    "number",
    "destination_id",
    "destination__name",
    "plane_id",
    "plane__manufacturer",
    "plane__model",
    "dep_delay",
]


def departures(airport: str, day: date) -> QuerySet[Flight, dict[str, Any]]:
    """The flights of a board, in the order of the schedule."""
    flights = Flight.objects.filter(origin=airport, day=day)
    rows: QuerySet[Flight, dict[str, Any]]
    rows = flights.order_by("scheduled", "carrier", "number").values(*_FIELDS)
    return rows


def board(flights: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The board of these flights; there is at least one."""
    first, rows = flights[0], [_row(flight) for flight in flights]
    return {
        "airport": first["origin_id"],
        "airport_name": first["origin__name"],
        "day": first["day"].isoformat(),
        "rows": rows,
        "summary": _summary([row["state"] for row in rows]),
    }


def _row(flight: dict[str, Any]) -> dict[str, Any]:
    state, status = status_of(flight["dep_delay"])
    return {
        "id": flight["pk"],
        "time": flight["scheduled"].astimezone(NEW_YORK).strftime("%H:%M"),
        "flight": f"{flight['carrier_id']} {flight['number']}",
        "destination": flight["destination__name"],
        "destination_code": flight["destination_id"],
        "carrier": flight["carrier__name"],
        "plane": _plane(flight),
        "delay": flight["dep_delay"],
        "state": state,
        "status": status,
    }


def status_of(dep_delay: int | None) -> tuple[str, str]:
    """A delay in minutes (None: cancelled) as a state for the style sheet and a text to read."""
    if dep_delay is None:
        return "cancelled", "Cancelled"
    if dep_delay <= 0:
        return "on-time", "On time"
    return "late" if dep_delay >= 15 else "slightly-late", f"Delayed {dep_delay} min"


def _plane(flight: dict[str, Any]) -> str:
    known = [flight["plane__manufacturer"], flight["plane__model"], flight["plane_id"]]
    return " ".join(part for part in known if part)


def _summary(states: list[str]) -> str:
    late, cancelled = states.count("late"), states.count("cancelled")
    return f"{len(states)} departures, {late} late by 15 minutes or more, {cancelled} cancelled"
