"""The example's products: what is kept true, and what of the sources each depends on."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from kck_publish import ALL, Change, DateParameter, Depends, Primer, Reprime, StringParameter

from .boards import boards
from .models import Airline, Airport, Flight, Plane
from .punctuality import Tally, count_one
from .ranking import ranking
from .routes import route_statistics
from .tallies import tallies

logger = logging.getLogger(__name__)
Parameters = Mapping[str, Any]
Key = TypeVar("Key")
Value = TypeVar("Value")


def in_order(
    wanted: Sequence[Key], found: Mapping[Key, Value], model: type[Airline] | type[Flight]
) -> list[Value]:
    """The values in the order asked for. Raises the model's DoesNotExist for one not found.

    (The library then computes one key at a time, so that only the missing ones are missed.)
    """
    for key in wanted:
        if key not in found:
            raise model.DoesNotExist(f"No {model._meta.verbose_name} for {key}.")
    return [found[key] for key in wanted]


def boards_of_plane(change: Change) -> list[dict[str, Any]]:
    """The boards on which a changed plane is named."""
    if change.op == "insert":
        return []  # a flight that names it is a change itself
    tail_numbers = {row["pk"] for row in (change.old, change.new) if row is not None}
    named = Flight.objects.filter(plane_id__in=tail_numbers).values_list("origin_id", "day")
    return [{"airport": airport, "day": day} for airport, day in named.distinct()]


class DepartureBoard(Primer):
    """All departures of an airport on a day, in the order of the schedule."""

    key = "departure_board"
    parameters = [StringParameter("airport"), DateParameter("day")]
    depends_on = [
        Depends(
            Flight,
            airport="origin_id",
            day="day",
            columns=[
                "scheduled",
                "carrier_id",
                "number",
                "destination_id",
                "plane_id",
                "dep_delay",
            ],
        ),
        Depends(Plane, keys=boards_of_plane, columns=["manufacturer", "model"]),
        # Names hardly ever change, and stand on most boards: then all of them are primed.
        Depends(Airline, keys=ALL, columns=["name"]),
        Depends(Airport, keys=ALL, columns=["name"]),
    ]

    def compute(self, airport: str, day: date) -> dict[str, Any]:
        """One board. Raises Flight.DoesNotExist when nothing departs there on that day."""
        return self.compute_many([{"airport": airport, "day": day}])[0]

    def compute_many(self, parameters: Sequence[Parameters]) -> list[dict[str, Any]]:
        """Many boards by one query."""
        wanted = [(each["airport"], each["day"]) for each in parameters]
        return in_order(wanted, boards(wanted), Flight)

    def domain(self) -> Iterable[dict[str, Any]]:
        """Each airport with departures, on each day it has some."""
        days = Flight.objects.order_by("origin_id", "day").values_list("origin_id", "day")
        return [{"airport": airport, "day": day} for airport, day in days.distinct()]


class CarrierPunctuality(Primer):
    """How late a carrier leaves and arrives. Amended flight by flight, never counted anew."""

    key = "carrier_punctuality"
    parameters = [StringParameter("carrier")]
    depends_on = [
        Depends(Flight, carrier="carrier_id", columns=["dep_delay", "arr_delay"]),
        Depends(Airline, carrier="pk", columns=["name"]),
    ]
    eager = True

    def pre_prime(self, *args: Any, **parameters: Any) -> None:
        """Say that a carrier is counted anew: the demo claims that this does not happen."""
        logger.info("compute carrier_punctuality/%s", parameters["carrier"])

    def compute(self, carrier: str) -> Tally:
        """Count all flights of a carrier. Raises Airline.DoesNotExist."""
        return self.compute_many([{"carrier": carrier}])[0]

    def compute_many(self, parameters: Sequence[Parameters]) -> list[Tally]:
        """Many carriers by two queries."""
        wanted = [each["carrier"] for each in parameters]
        return in_order(wanted, tallies(wanted), Airline)

    def augment(self, value: Tally, change: Change, carrier: str) -> Tally:
        """Take the flight's old version away and add the new one, each if it is this carrier's."""
        logger.info("augment carrier_punctuality/%s", carrier)
        if change.source is Airline:
            if change.new is None or change.old is None or change.new["pk"] != carrier:
                raise Reprime
            return {**value, "name": change.new["name"]}
        tally: Tally = {**value, "histogram": list(value["histogram"])}
        for flight, times in ((change.old, -1), (change.new, 1)):
            # A flight that moves between carriers is shown to both, whole.
            if flight is not None and flight["carrier_id"] == carrier:
                count_one(tally, flight["dep_delay"], flight["arr_delay"], times)
        return tally

    def domain(self) -> Iterable[dict[str, Any]]:
        """Every carrier."""
        codes = Airline.objects.order_by("code").values_list("code", flat=True)
        return [{"carrier": code} for code in codes]


class RouteStatistics(Primer):
    """Flights, mean delays and the fastest flight of a route."""

    key = "route_statistics"
    parameters = [StringParameter("origin"), StringParameter("destination")]
    depends_on = [
        Depends(
            Flight,
            origin="origin_id",
            destination="destination_id",
            columns=[
                "carrier_id",
                "number",
                "day",
                "scheduled",
                "dep_delay",
                "arr_delay",
                "air_time",
                "distance",
            ],
        )
    ]

    def compute(self, origin: str, destination: str) -> dict[str, Any]:
        """One route. Raises Flight.DoesNotExist when nobody flies it."""
        return self.compute_many([{"origin": origin, "destination": destination}])[0]

    def compute_many(self, parameters: Sequence[Parameters]) -> list[dict[str, Any]]:
        """Many routes by two queries."""
        wanted = [(each["origin"], each["destination"]) for each in parameters]
        return in_order(wanted, route_statistics(wanted), Flight)

    def domain(self) -> Iterable[dict[str, Any]]:
        """Every route flown."""
        routes = Flight.objects.order_by("origin_id", "destination_id")
        pairs = routes.values_list("origin_id", "destination_id").distinct()
        return [{"origin": origin, "destination": destination} for origin, destination in pairs]


class NetworkRanking(Primer):
    """All carriers, the most punctual first. Made of the carriers' products, not of flights."""

    key = "network_ranking"
    depends_on = [
        Depends("carrier_punctuality", keys=lambda change: [{}]),
        Depends(Airline, keys=lambda change: [{}], columns=[]),
    ]
    eager = True

    def compute(self) -> dict[str, Any]:
        """The table, from one read of all carriers' tallies."""
        codes = Airline.objects.order_by("code").values_list("code", flat=True)
        stored: list[Tally | None] = CarrierPunctuality.cached.get_many(
            [{"carrier": code} for code in codes], default=None
        )
        return ranking(tally for tally in stored if tally is not None)

    def domain(self) -> Iterable[dict[str, Any]]:
        """The one ranking."""
        return [{}]
