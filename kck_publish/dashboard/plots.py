"""Plots from the rows of the history: of each line a value a point, None where none is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .asking import Rows
from .periods import Window

Row = dict[str, Any]
# What a line shows of a row, given the seconds that the row is of.
Value = Callable[[Row, int], float | None]
# A name of a line, the value, and the value where there is no row.
Line = tuple[str, Value, float | None]


def rate(*columns: str) -> Value:
    """A second, on the average of the point."""
    return lambda row, seconds: sum(row[column] for column in columns) / seconds


def total(column: str) -> Value:
    """Of the whole point."""
    return lambda row, seconds: float(row[column])


def mean_lag(row: Row, seconds: int) -> float | None:
    """From the change to the write, on the average."""
    return (row["waiting"] + row["computing"]) / row["lagged"] if row["lagged"] else None


def longest_lag(row: Row, seconds: int) -> float | None:
    """The longest; its parts may be of two keys, so it is at the most that."""
    return float(row["waiting_max"] + row["computing_max"]) if row["lagged"] else None


def computes(row: Row) -> float:
    """How many computes and augments there were."""
    return float(row["refreshed"] + row["augmented"] + row["unchanged"] + row["failed"])


def mean_compute(row: Row, seconds: int) -> float | None:
    """Seconds of a compute, on the average."""
    number = computes(row)
    return row["seconds"] / number if number else None


def longest_compute(row: Row, seconds: int) -> float | None:
    """Seconds of the longest compute."""
    return float(row["seconds_max"]) if computes(row) else None


def waiting_changes(row: Row, seconds: int) -> float | None:
    """Changes that waited at a time, on the average, by Little's law: their rate times their wait.

    Of a batch the wait of its oldest change is known, so it is at the most that.
    """
    return row["changes"] / seconds * row["waiting"] / row["lagged"] if row["lagged"] else 0.0


BATCHES: dict[str, Sequence[Line]] = {
    "lag": [("longest", longest_lag, None), ("mean", mean_lag, None)],
    "changes": [("changes", rate("changes"), 0.0)],
    "refreshes": [
        ("primed", rate("refreshed"), 0.0),
        ("augmented", rate("augmented"), 0.0),
        ("unchanged", rate("unchanged"), 0.0),
    ],
    "failures": [("failed", total("failed"), 0.0)],
    "queue": [("waiting", waiting_changes, 0.0)],
}
PRODUCT: dict[str, Sequence[Line]] = {
    "refreshes": BATCHES["refreshes"],
    "compute": [("longest", longest_compute, None), ("mean", mean_compute, None)],
    "lag": BATCHES["lag"],
    "failures": BATCHES["failures"],
}


def draw(window: Window, plots: dict[str, Sequence[Line]], rows: Rows) -> dict[str, Any]:
    """The plots as the browser takes them: ``{"at": [...], "plots": {name: {line: [...]}}}``."""
    by_point = {row["at"]: row for row in rows}
    points = list(window.points())
    return {
        "at": [at for at, _ in points],
        "plots": {
            name: {
                line: [
                    _rounded(value(by_point[at], seconds)) if at in by_point else missing
                    for at, seconds in points
                ]
                for line, value, missing in lines
            }
            for name, lines in plots.items()
        },
    }


def _rounded(value: float | None) -> float | None:
    """To four digits: a plot shows no more, and the answer is a third as long."""
    return None if value is None else float(f"{value:.4g}")
