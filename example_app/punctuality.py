"""A carrier's tally of delays: pure arithmetic on whole numbers.

``CarrierPunctuality`` uses the same `count` to compute a tally from groups of flights and to amend
it by one flight, so both ways reach the same value exactly. Averages are taken when shown.
"""

from typing import TypedDict

BIN_MINUTES = 15
ON_TIME_BELOW = 15  # minutes: by custom a flight is on time that leaves less than this late
BINS = ["early", *(f"{m}-{m + BIN_MINUTES - 1}" for m in range(0, 180, BIN_MINUTES)), "180+"]


class Tally(TypedDict):
    """The stored value. Delays are sums of minutes; ``histogram`` has one count for each bin."""

    carrier: str
    name: str
    flights: int
    cancelled: int
    on_time: int
    dep_delay_sum: int
    arrived: int
    arr_delay_sum: int
    histogram: list[int]


def empty(carrier: str, name: str) -> Tally:
    """The tally of a carrier without flights."""
    return {
        "carrier": carrier,
        "name": name,
        "flights": 0,
        "cancelled": 0,
        "on_time": 0,
        "dep_delay_sum": 0,
        "arrived": 0,
        "arr_delay_sum": 0,
        "histogram": [0] * len(BINS),
    }


def bin_of(dep_delay: int) -> int:
    """Which of `BINS` a delay in minutes belongs to."""
    return 0 if dep_delay < 0 else min(1 + dep_delay // BIN_MINUTES, len(BINS) - 1)


def count(
    tally: Tally, dep_delay: int | None, times: int, arrived: int, arr_delay_sum: int
) -> None:
    """Count ``times`` flights (negative: take them away) that all left ``dep_delay`` minutes late.

    ``arrived`` of them arrived, with arrival delays that add up to ``arr_delay_sum`` minutes.
    """
    tally["flights"] += times
    tally["arrived"] += arrived
    tally["arr_delay_sum"] += arr_delay_sum
    if dep_delay is None:
        tally["cancelled"] += times
        return
    tally["dep_delay_sum"] += times * dep_delay
    tally["histogram"][bin_of(dep_delay)] += times
    if dep_delay < ON_TIME_BELOW:
        tally["on_time"] += times


def count_one(tally: Tally, dep_delay: int | None, arr_delay: int | None, times: int) -> None:
    """Count one flight (``times`` = 1) or take it away (-1)."""
    arrived = 0 if arr_delay is None else times
    count(tally, dep_delay, times, arrived, arrived * (arr_delay or 0))
