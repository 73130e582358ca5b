"""Statistics of routes. Called by ``RouteStatistics``; two queries for any number of routes."""

from collections.abc import Collection
from typing import Any

from django.db.models import Avg, Count, Max, Q

from .models import Flight

Route = tuple[str, str]  # origin, destination


def route_statistics(wanted: Collection[Route]) -> dict[Route, dict[str, Any]]:
    """The wanted routes; one that nobody flies is absent. Delays and air time are in minutes."""
    origins, destinations = {o for o, _ in wanted}, {d for _, d in wanted}
    flights = Flight.objects.filter(origin_id__in=origins, destination_id__in=destinations)
    groups = (
        flights.values("origin_id", "destination_id")
        .order_by()
        .annotate(
            flights=Count("pk"),
            cancelled=Count("pk", filter=Q(dep_delay=None)),
            mean_dep_delay=Avg("dep_delay"),
            mean_arr_delay=Avg("arr_delay"),
            miles=Max("distance"),
        )
    )
    fastest = _fastest(flights)
    found: dict[Route, dict[str, Any]] = {}
    for group in groups:
        route = (group["origin_id"], group["destination_id"])
        if route in wanted:
            found[route] = {
                "origin": route[0],
                "destination": route[1],
                "flights": group["flights"],
                "cancelled": group["cancelled"],
                "mean_dep_delay": _rounded(group["mean_dep_delay"]),
                "mean_arr_delay": _rounded(group["mean_arr_delay"]),
                "distance": group["miles"],
                "fastest": fastest.get(route),
            }
    return found


def _fastest(flights: Any) -> dict[Route, dict[str, Any]]:
    """For each route the flight that was shortest in the air, the earliest of equals."""
    firsts = (
        flights.exclude(air_time=None)
        .order_by("origin_id", "destination_id", "air_time", "scheduled", "carrier_id", "number")
        .distinct("origin_id", "destination_id")
    )
    return {
        (f.origin_id, f.destination_id): {
            "flight": f"{f.carrier_id} {f.number}",
            "day": f.day,
            "air_time": f.air_time,
        }
        for f in firsts
    }


def _rounded(minutes: float | None) -> float | None:
    return None if minutes is None else round(float(minutes), 2)
