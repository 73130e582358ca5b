"""The example's products: what is kept true, and what of the sources each depends on."""

import logging
from collections.abc import Iterable
from datetime import date
from typing import Any

from kck_publish import (
    DateParameter,
    Depends,
    Primer,
    Public,
    QuerySetPrimer,
    StringParameter,
)
from kck_publish.aggregates import (
    AggregatePrimer,
    Average,
    Count,
    Histogram,
    Max,
    Set,
    Sum,
    Top,
)

from .boards import board, departures
from .models import Airline, Flight
from .punctuality import BIN_MINUTES, ON_TIME_BELOW, Tally, tally
from .ranking import ranking

logger = logging.getLogger(__name__)


class DepartureBoard(QuerySetPrimer):
    """All departures of an airport on a day. What it depends on is read from its query."""

    key = "departure_board"
    live = Public
    parameters = [StringParameter("airport"), DateParameter("day")]

    def queryset(self, airport: str, day: date) -> Any:
        """The flights, with all names that the board shows."""
        return departures(airport, day)

    def compute(self, airport: str, day: date) -> dict[str, Any]:
        """One board. Raises Flight.DoesNotExist when nothing departs there on that day."""
        flights = super().compute(airport=airport, day=day)
        if not flights:
            raise Flight.DoesNotExist(f"No flight departs from {airport} on {day}.")
        return board(flights)

    def domain(self) -> Iterable[dict[str, Any]]:
        """Each airport with departures, on each day it has some."""
        days = Flight.objects.order_by("origin_id", "day").values_list("origin_id", "day")
        return [{"airport": airport, "day": day} for airport, day in days.distinct()]


class CarrierPunctuality(AggregatePrimer[Tally]):
    """How late a carrier leaves and arrives. Amended flight by flight, never counted anew."""

    key = "carrier_punctuality"
    parameters = [StringParameter("carrier")]
    source = Depends(Flight, carrier="carrier_id")
    values = {
        "codes": Set("carrier"),
        "names": Set("carrier__name"),
        "flights": Count(),
        "cancelled": Count(where={"dep_delay__isnull": True}),
        "on_time": Count(where={"dep_delay__lt": ON_TIME_BELOW}),
        "dep_delay_sum": Sum("dep_delay"),
        "arrived": Count("arr_delay"),
        "arr_delay_sum": Sum("arr_delay"),
        "delays": Histogram("dep_delay", width=BIN_MINUTES),
    }
    eager = True

    def pre_prime(self, *args: Any, **parameters: Any) -> None:
        """Say that a carrier is counted anew: the demo claims that this does not happen."""
        logger.info("compute carrier_punctuality/%s", parameters["carrier"])

    def present(self, values: dict[str, Any]) -> Tally:
        """The carrier's tally."""
        return tally(**values)


class RouteStatistics(AggregatePrimer[dict[str, Any]]):
    """Flights, mean delays and the fastest flight of a route: declared, and so amended."""

    key = "route_statistics"
    parameters = [StringParameter("origin"), StringParameter("destination")]
    source = Depends(Flight, origin="origin_id", destination="destination_id")
    values = {
        "flights": Count(),
        "cancelled": Count(where={"dep_delay__isnull": True}),
        "mean_dep_delay": Average("dep_delay"),
        "mean_arr_delay": Average("arr_delay"),
        "distance": Max("distance"),
        # The shortest in the air, the earliest of equals.
        "fastest": Top(
            1,
            columns=["carrier", "number", "day", "air_time"],
            by=["air_time", "scheduled", "carrier", "number"],
            where={"air_time__isnull": False},
        ),
    }
    absent_when_empty = True

    def present(self, values: dict[str, Any]) -> dict[str, Any]:
        """Delays and air time are in minutes."""
        means = {
            name: None if values[name] is None else round(values[name], 2)
            for name in ("mean_dep_delay", "mean_arr_delay")
        }
        fastest = [
            {
                "flight": f"{flight['carrier']} {flight['number']}",
                "day": flight["day"],
                "air_time": flight["air_time"],
            }
            for flight in values["fastest"]
        ]
        return {**values, **means, "fastest": fastest[0] if fastest else None}


class NetworkRanking(Primer):
    """All carriers, the most punctual first. Made of the carriers' products, not of flights."""

    key = "network_ranking"
    live = Public
    depends_on = ["carrier_punctuality", Depends(Airline, columns=[])]
    eager = True

    def compute(self) -> dict[str, Any]:
        """The table, from one read of all carriers' tallies."""
        codes = Airline.objects.order_by("code").values_list("code", flat=True)
        stored: list[Tally | None] = CarrierPunctuality.cached.get_many(
            [{"carrier": code} for code in codes], default=None
        )
        return ranking(tally for tally in stored if tally is not None)
