"""The ranking's rows, from the carriers' tallies. Called by ``NetworkRanking``; pure.

Here the tallies' whole numbers become the percentages and averages that are shown.
"""

from collections.abc import Iterable
from typing import Any

from .punctuality import BINS, Tally


def ranking(tallies: Iterable[Tally]) -> dict[str, Any]:
    """Carriers that fly, by the share of their departures that were on time."""
    flying = sorted((t for t in tallies if t["flights"]), key=lambda t: (-on_time(t), t["carrier"]))
    return {
        "bins": BINS,
        "summary": _summary(flying),
        "rows": [{"rank": rank, **_row(tally)} for rank, tally in enumerate(flying, 1)],
    }


def on_time(tally: Tally) -> float:
    """Share (0 to 1) of all flights, cancelled ones included, that left on time."""
    return tally["on_time"] / tally["flights"]


def _row(tally: Tally) -> dict[str, Any]:
    departed = tally["flights"] - tally["cancelled"]
    highest = max(*tally["histogram"], 1)  # bars go by the square root: rare delays are seen
    return {
        "id": tally["carrier"],
        "carrier": tally["name"],
        "flights": tally["flights"],
        "on_time": f"{100 * on_time(tally):.1f} %",
        "dep_delay": _mean(tally["dep_delay_sum"], departed),
        "arr_delay": _mean(tally["arr_delay_sum"], tally["arrived"]),
        "cancelled": tally["cancelled"],
        "counts": tally["histogram"],
        "bars": [round(100 * (n / highest) ** 0.5) for n in tally["histogram"]],
    }


def _mean(minutes: int, flights: int) -> str:
    return f"{minutes / flights:+.1f} min" if flights else "none"


def _summary(tallies: list[Tally]) -> str:
    flights = sum(t["flights"] for t in tallies)
    punctual = sum(t["on_time"] for t in tallies)
    cancelled = sum(t["cancelled"] for t in tallies)
    share = f"{100 * punctual / flights:.1f} %" if flights else "none"
    return f"{flights:,} departures, {share} of them on time, {cancelled:,} cancelled"
