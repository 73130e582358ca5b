"""A departure board's rows, from flights. Called by ``DepartureBoard``; one query for many boards.

A row is ready to be shown: the page prints its texts, and decides nothing.
"""

from collections.abc import Collection
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from .models import Flight

NEW_YORK = ZoneInfo("America/New_York")
BoardKey = tuple[str, date]  # airport, day

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


def boards(wanted: Collection[BoardKey]) -> dict[BoardKey, dict[str, Any]]:
    """The wanted boards; one without departures is absent."""
    flights = (
        Flight.objects.filter(
            origin_id__in={airport for airport, _ in wanted}, day__in={day for _, day in wanted}
        )
        .order_by("scheduled", "carrier_id", "number")
        .values(*_FIELDS)
    )
    found: dict[BoardKey, dict[str, Any]] = {}
    for flight in flights:
        key = (flight["origin_id"], flight["day"])
        if key in wanted:
            found.setdefault(key, _empty_board(flight))["rows"].append(_row(flight))
    for board in found.values():
        _summarize(board)
    return found


def _empty_board(flight: dict[str, Any]) -> dict[str, Any]:
    return {
        "airport": flight["origin_id"],
        "airport_name": flight["origin__name"],
        "day": flight["day"].isoformat(),
        "rows": [],
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


def _summarize(board: dict[str, Any]) -> None:
    states = [row["state"] for row in board["rows"]]
    late, cancelled = states.count("late"), states.count("cancelled")
    board["summary"] = (
        f"{len(states)} departures, {late} late by 15 minutes or more, {cancelled} cancelled"
    )
