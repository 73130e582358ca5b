"""The example's sources: airlines, airports, planes and the flights between them.

Natural primary keys (a carrier's code, an airport's code, a tail number), so that products can be
named as people name them: ``departure_board/JFK/2013-01-01``.
"""

from django.db import models

from kck_publish import CacheModel


class Airline(CacheModel):
    """A carrier, such as UA, United Air Lines Inc."""

    code = models.CharField(max_length=2, primary_key=True)
    name = models.CharField(max_length=80, unique=True)

    cached_by = ["name"]

    def __str__(self) -> str:
        return self.name


class Airport(CacheModel):
    """An airport, such as JFK, John F Kennedy Intl."""

    faa = models.CharField("FAA code", max_length=4, primary_key=True)
    name = models.CharField(max_length=80, unique=True)

    cached_by = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.faa})"


class Plane(CacheModel):
    """An aircraft. What the registry does not know of it is empty."""

    tailnum = models.CharField("tail number", max_length=6, primary_key=True)
    year = models.SmallIntegerField(null=True, blank=True)
    manufacturer = models.CharField(max_length=40, blank=True)
    model = models.CharField(max_length=40, blank=True)
    seats = models.SmallIntegerField(null=True, blank=True)

    cached_lists = [("manufacturer", "model")]

    def __str__(self) -> str:
        return self.tailnum


class Flight(CacheModel):
    """One scheduled departure. A flight without ``dep_delay`` was cancelled."""

    carrier = models.ForeignKey(Airline, on_delete=models.CASCADE, related_name="flights")
    number = models.IntegerField()
    day = models.DateField(help_text="Of the scheduled departure, in New York.")
    scheduled = models.DateTimeField(help_text="Scheduled departure.")
    # The compound indexes below begin with the origin and serve it alone, too.
    origin = models.ForeignKey(
        Airport, on_delete=models.CASCADE, related_name="departures", db_index=False
    )
    destination = models.ForeignKey(Airport, on_delete=models.CASCADE, related_name="arrivals")
    plane = models.ForeignKey(
        Plane, on_delete=models.SET_NULL, null=True, blank=True, related_name="flights"
    )
    dep_delay = models.IntegerField(null=True, blank=True, help_text="Minutes; below 0: early.")
    arr_delay = models.IntegerField(null=True, blank=True, help_text="Minutes; below 0: early.")
    air_time = models.IntegerField(null=True, blank=True, help_text="Minutes.")
    distance = models.IntegerField(help_text="Miles.")

    # Flights are many and each is read seldom: keep up only those that somebody has read.
    eager = False
    cached_by = [("carrier", "number", "day")]

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["carrier", "number", "day"], name="one_flight_a_day")
        ]
        indexes = [
            models.Index(fields=["origin", "day"], name="flight_origin_day"),
            models.Index(fields=["origin", "destination"], name="flight_route"),
        ]

    def __str__(self) -> str:
        return f"{self.carrier_id} {self.number} on {self.day}"
