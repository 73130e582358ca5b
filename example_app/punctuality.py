"""A carrier's tally of delays, as it is stored. Averages are taken when it is shown."""

from typing import TypedDict, cast

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


def bin_of(dep_delay: int) -> int:
    """Which of `BINS` a delay in minutes belongs to."""
    return 0 if dep_delay < 0 else min(1 + dep_delay // BIN_MINUTES, len(BINS) - 1)


def tally(
    *, codes: set[str], names: set[str], delays: dict[int, int], **numbers: int | None
) -> Tally:
    """The tally that the aggregates of a carrier's flights make.

    Args:
        codes, names: the carrier's own; none where it has no flights.
        delays: how many flights left with a delay from so many minutes on.
        numbers: all else; None where there is nothing to add up.
    """
    histogram = [0] * len(BINS)
    for delay, times in delays.items():
        histogram[bin_of(delay)] += times
    counted = {key: number or 0 for key, number in numbers.items()}
    carrier, name = next(iter(codes), ""), next(iter(names), "")
    return cast("Tally", {"carrier": carrier, "name": name, "histogram": histogram, **counted})
