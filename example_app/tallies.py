"""Carriers' tallies counted from their flights. Called by ``CarrierPunctuality``; two queries."""

from collections.abc import Collection

from django.db.models import Count, Sum

from .models import Airline, Flight
from .punctuality import Tally, count, empty


def tallies(carriers: Collection[str]) -> dict[str, Tally]:
    """The tallies of these carriers; one that does not exist is absent."""
    names = Airline.objects.filter(pk__in=carriers).values_list("pk", "name")
    found = {carrier: empty(carrier, name) for carrier, name in names}
    # All flights of a carrier with the same delay are one group: some hundreds, not thousands.
    groups = (
        Flight.objects.filter(carrier_id__in=found)
        .values_list("carrier_id", "dep_delay")
        .order_by()
        .annotate(flights=Count("pk"), arrived=Count("arr_delay"), arr_delays=Sum("arr_delay"))
    )
    for carrier, dep_delay, flights, arrived, arr_delays in groups:
        count(found[carrier], dep_delay, flights, arrived, arr_delays or 0)
    return found
