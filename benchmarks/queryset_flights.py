"""Products over many flights that are declared by their querysets alone, for ``querysets``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Count, Max, Sum

from benchmarks.models import Flights, Flights3000, Flights30000, Flights300000
from kck_publish import QuerySetPrimer, StringParameter

ORIGIN = "JFK"


def _late(rows: Any) -> Any:
    late = rows.filter(dep_delay__isnull=False).order_by("-dep_delay", "pk")
    return late.values("tail", "day", "dep_delay")[:20]


def _late_joined(rows: Any) -> Any:
    late = rows.filter(airline__low_cost=True, dep_delay__isnull=False)
    return late.order_by("-dep_delay", "pk").values("airline__code", "dep_delay")[:20]


# By what it is called: what is asked of the flights from an airport.
KINDS: Mapping[str, Callable[[Any], Any]] = {
    "a slice of 20": _late,
    "numbers": lambda rows: rows.aggregate(n=Count("pk"), miles=Sum("distance"), far=Max("hour")),
    "groups": lambda rows: (
        rows.values("hour").annotate(n=Count("pk"), miles=Sum("distance")).order_by("-n", "hour")
    ),
    "a slice, joined": _late_joined,
    "numbers, joined": lambda rows: rows.filter(airline__low_cost=True).aggregate(
        n=Count("pk"), miles=Sum("distance")
    ),
}


def name_of(kind: str, size: int) -> str:
    """What a product is called."""
    return f"{kind.replace(',', '').replace(' ', '_')}_{size}"


def declare(model: type[Flights], size: int) -> None:
    """The products over so many flights."""
    for kind, ask in KINDS.items():

        def queryset(self: QuerySetPrimer, origin: str, ask: Callable[[Any], Any] = ask) -> Any:
            return ask(model.objects.filter(origin=origin))

        namespace: dict[str, Any] = {
            "key": name_of(kind, size),
            "parameters": [StringParameter("origin")],
            "queryset": queryset,
        }
        type(name_of(kind, size).title(), (QuerySetPrimer,), namespace)


for each in (Flights3000, Flights30000, Flights300000):
    declare(each, int(each.__name__.removeprefix("Flights")))
