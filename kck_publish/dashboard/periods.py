"""The periods that a reader may choose, and the steps in which they are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import clock


@dataclass(frozen=True)
class Period:
    """A time up to now.

    Attributes:
        name: in the address.
        text: for the reader.
        seconds: its length.
        step: seconds that one point of a plot stands for; whole minutes.
        pause: seconds after which an open page asks again: longer where it asks for more.
    """

    name: str
    text: str
    seconds: int
    step: int
    pause: int = 4

    def window(self) -> Window:
        """The points from now back. The minute that runs is not written yet, and left out."""
        end = int(clock.now().timestamp()) // 60 * 60
        begin = (end - self.seconds) // self.step * self.step
        return Window(begin, end, self.step)


@dataclass(frozen=True)
class Window:
    """Points from ``begin`` to ``end``, in seconds since 1970, ``step`` apart."""

    begin: int
    end: int
    step: int

    def points(self) -> Iterator[tuple[int, int]]:
        """The beginning of each, and how many seconds of it have passed."""
        for at in range(self.begin, self.end, self.step):
            yield at, min(self.step, self.end - at)

    @property
    def last(self) -> int:
        """Seconds of the last point that have passed."""
        return (self.end - self.begin - 1) % self.step + 1

    def parameters(self, product: str) -> dict[str, Any]:
        """For ``queries.HISTORY``."""
        return {"begin": self.begin, "end": self.end, "step": self.step, "product": product}


PERIODS = (
    Period("1h", "1 hour", 3600, 60),
    Period("6h", "6 hours", 6 * 3600, 300),
    Period("24h", "24 hours", 24 * 3600, 600, 10),
    Period("7d", "7 days", 7 * 86400, 3600, 30),
    Period("30d", "30 days", 30 * 86400, 4 * 3600, 30),
)


def chosen(name: str | None) -> Period:
    """The period of this name; the first where there is none."""
    return next((period for period in PERIODS if period.name == name), PERIODS[0])
