"""Products of every aggregate over every kind of column. Imported by ``primers``."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from kck_publish import Depends, IntegerParameter, StringParameter
from kck_publish.aggregates import (
    Aggregate,
    AggregatePrimer,
    Average,
    Count,
    Histogram,
    Max,
    Min,
    Ordered,
    Set,
    Sum,
    Top,
)
from tests.catalog.models import Sample


class SampleFigures(AggregatePrimer):
    """What one statement of SQL gives."""

    key = "sample_figures"
    parameters = (IntegerParameter("group"), StringParameter("kind"))
    source = Depends(Sample, group="group", kind="kind")
    values = {
        "rows": Count(),
        "named": Count("name"),
        "dear": Count(where={"price__gte": Decimal("1.50"), "flag": True}),
        "whole": Sum("whole"),
        "price": Sum("price"),
        "dear_price": Sum("price", where={"price__gt": 1, "day__lt": date(2020, 1, 3)}),
        "lasts": Sum("lasts"),
        "mean_whole": Average("whole"),
        "mean_price": Average("price"),
        "mean_lasts": Average("lasts"),
        "first": Min("at"),
        "last": Max("at"),
        "least": Min("whole"),
        "most": Max("price"),
        "a_name": Min("name"),
        "z_name": Max("name"),
        "early": Min("hour", where={"flag__isnull": True}),
        "ratio": Max("ratio"),
    }


_TALLIES: dict[str, Aggregate] = {
    "ratio": Sum("ratio"),
    "mean_ratio": Average("ratio", where={"kind__in": ["a", "b"]}),
    "wholes": Histogram("whole", width=3),
    "names": Histogram("name"),
    "days": Histogram("day"),
    "prices": Set("price"),
    "ratios": Set("ratio"),
    "codes": Set("code"),
    "flags": Set("flag", where={"whole__lt": 2}),
    "makers": Set("maker"),
}


class SampleTallies(AggregatePrimer):
    """What takes a statement each."""

    key = "sample_tallies"
    parameters = (IntegerParameter("group"),)
    source = Depends(Sample, group="group")
    where = {"kind__in": ["a", "b"]}
    values = _TALLIES


class SampleLists(AggregatePrimer):
    """Rows in an order."""

    key = "sample_lists"
    parameters = (IntegerParameter("group", null=True),)
    source = Depends(Sample, group="group")
    values = {
        "dearest": Top(2, columns=["name", "price"], by="-price"),
        "alone": Top(1, columns="pk", by=["name", "-ratio"], reserve=0, where={"flag": True}),
        "all": Ordered(["pk", "maker", "data"], by=["day", "-name"]),
        "codes": Ordered("code", by="code"),
    }


class SampleTotal(AggregatePrimer):
    """Without parameters, shown in another form, and absent without rows."""

    key = "sample_total"
    source = Sample
    where = {"whole__isnull": False}
    values = {"rows": Count(), "whole": Sum("whole")}
    absent_when_empty = True

    def present(self, values: dict[str, Any]) -> Any:
        return f"{values['whole']} of {values['rows']}"
