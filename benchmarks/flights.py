"""The two ways to keep one product over many flights, for ``augment``. Imported by ``primers``."""

from __future__ import annotations

from typing import Any

from benchmarks.models import Flights, Flights3000, Flights30000, Flights300000
from kck_publish import Depends, Primer
from kck_publish.aggregates import Aggregate, AggregatePrimer, Average, Count, Histogram, Max, Sum

VALUES: dict[str, Aggregate] = {
    "flights": Count(),
    "cancelled": Count(where={"dep_delay__isnull": True}),
    "late": Count(where={"dep_delay__gt": 15}),
    "miles": Sum("distance"),
    "delay": Average("arr_delay"),
    "farthest": Max("distance"),
    "by_hour": Histogram("hour"),
    "by_carrier": Histogram("carrier"),
}


def declare(model: type[Flights], size: int) -> None:
    """The product ``amended_<size>``, and ``computed_<size>`` of the same value."""
    amended: Any = type(
        f"Amended{size}",
        (AggregatePrimer,),
        {"key": f"amended_{size}", "source": model, "values": VALUES},
    )

    def compute(self: Primer) -> Any:
        return amended().compute()

    columns = ["dep_delay", "distance", "arr_delay", "hour", "carrier"]
    type(
        f"Computed{size}",
        (Primer,),
        {
            "key": f"computed_{size}",
            "compute": compute,
            "depends_on": [Depends(model, columns=columns)],
        },
    )


for model in (Flights3000, Flights30000, Flights300000):
    declare(model, int(model.__name__.removeprefix("Flights")))
