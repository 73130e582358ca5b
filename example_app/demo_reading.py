"""The demo's act of reading: what is stored against what it costs to compute."""

from __future__ import annotations

from collections.abc import Callable

from .demo_report import median_time, seconds
from .demo_stage import Stage
from .models import Flight
from .primers import CarrierPunctuality, DepartureBoard

Read = Callable[[], object]
READS, COMPUTES = 200, 40


def cached_against_computed(stage: Stage) -> None:
    """Medians of both ways to the same answer."""
    report, day = stage.report, stage.day
    report.head("Read:  .cached against computing")
    ((carrier, number),) = stage.rows(
        "SELECT carrier_id, number FROM example_app_flight WHERE day = %s ORDER BY id LIMIT 1", day
    )
    natural = {"carrier": carrier, "number": number, "day": day}
    ratios: dict[str, float] = {}
    pairs: list[tuple[str, Read, Read]] = [
        (
            f"departure_board/JFK/{day}",
            lambda: DepartureBoard.cached.get(airport="JFK", day=day),
            lambda: DepartureBoard().compute(airport="JFK", day=day),
        ),
        (
            "carrier_punctuality/UA",
            lambda: CarrierPunctuality.cached.get(carrier="UA"),
            lambda: CarrierPunctuality().compute(carrier="UA"),
        ),
        (
            f"one flight, {carrier} {number} on {day}",
            lambda: Flight.cached.get(**natural),
            lambda: Flight.objects.get(**natural),
        ),
    ]
    for text, cached, compute in pairs:
        report.claim(f"{text}: both give the same", cached() == compute())
        stored, computed = median_time(cached, READS), median_time(compute, COMPUTES)
        ratios[text] = computed / stored
        pair = f"cached {seconds(stored)}, computed {seconds(computed)}"
        report.figure(f"   {pair}", f"{ratios[text]:.1f} times")
    board, tally, _ = ratios.values()
    report.claim("what takes work to compute is read faster", min(board, tally) > 1)
    # One row out of one table is one query either way, as long as the store is PostgreSQL, too.
