"""Medians, spreads, ratios; and rounds in turn, so that a slow minute harms all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which this part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """The quartiles, as "12.1 - 13.9"."""
    return f"{short(quantile(values, 0.25))} - {short(quantile(values, 0.75))}"


def short(value: float) -> str:
    """A figure with three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def in_turn(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each contestant's figure in each round; who begins moves on from round to round."""
    names = list(contestants)
    figures: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            figures[name].append(contestants[name]())
    return figures


def timed(run: Callable[[], object], times: int = 1) -> Callable[[], float]:
    """A contestant: seconds of one run, as the mean of so many in a row."""

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(times):
            run()
        return (time.perf_counter() - start) / times

    return measure


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """The median of the ratios of the same round: what is common to a round falls out."""
    return median([a / b for a, b in zip(one, other, strict=True)])


def table(figures: Mapping[str, Sequence[float]], unit: str, scale: float, *against: str) -> None:
    """Print the medians with their spread and the ratios to some of them, as a Markdown table."""
    against = tuple(name for name in against if name in figures)
    rows = [["", unit, "p25 - p75", *(f"x {name}" for name in against)]]
    for name, values in figures.items():
        scaled = [value * scale for value in values]
        ratios = [short(ratio(values, figures[other])) for other in against]
        rows.append([name, short(median(scaled)), spread(scaled), *ratios])
    markdown(rows)


def markdown(rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose first row is the heading, and whose first column is text."""
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    marks = ["-" * width + (":" if number else "-") for number, width in enumerate(wide)]
    print(flush=True)
    for number, row in enumerate(rows):
        cells = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, wide, strict=True))
        ]
        print("   | " + " | ".join(cells) + " |")
        if not number:
            print("   |" + "|".join(mark + "-" for mark in marks).replace(":-", "-:") + "|")
    print(flush=True)


def target(what: str, wanted: str, measured: float, unit: str = "", met: bool = True) -> None:
    """Print a target and what was measured, side by side."""
    word = "MET" if met else "MISSED"
    print(f"   - {what}: target {wanted}, measured {short(measured)}{unit}: {word}", flush=True)
