"""How the demo speaks: headed lines, aligned figures, and claims that are checked.

Pure output and arithmetic; knows nothing of what is measured.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TextIO, TypeVar

T = TypeVar("T")
WIDTH = 64  # of the text before a figure
BAR = 40


class DemoError(Exception):
    """The demo cannot go on; the message says why. It ends with 1."""


class FalseClaimError(DemoError):
    """Something that the demo claims is not so; the message says what."""


class Report:
    """Writes the story to a terminal, a pipe or a file; plain ASCII where that is all it takes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._heads = 0
        self._began = time.perf_counter()
        self._mark = "\N{CHECK MARK}" if _takes(out, "\N{CHECK MARK}") else "ok"

    def title(self, text: str) -> None:
        """The first line."""
        self._line(f"\n{text}\n{'=' * len(text)}")

    def head(self, text: str) -> None:
        """The headline of an act."""
        self._heads += 1
        self._line(f"\n{self._heads}. {text}")

    def say(self, *lines: str) -> None:
        """Plain lines, after an empty one."""
        self._line("\n" + "\n".join(lines))

    def figure(self, text: str, figure: str = "") -> None:
        """One thing that was measured."""
        self._line(f"   {text:<{WIDTH}} {figure:>12}".rstrip())

    def claim(self, text: str, holds: bool, figure: str = "") -> None:
        """Something that is promised, and was looked at just now.

        Raises:
            FalseClaimError: when it does not hold.
        """
        mark = self._mark if holds else "FALSE"
        self.figure(f"{mark} {text}", figure)
        if not holds:
            raise FalseClaimError(f"A claim is false: {text} {figure}".rstrip())

    def bar(self) -> Callable[[int, int], None]:
        """A progress bar that only ever grows to the right, so that it looks well in a file, too.

        Returns:
            what is to be called with how much is done, and of how much.
        """
        drawn = 0
        self._out.write("   [")

        def progress(done: int, total: int) -> None:
            nonlocal drawn
            wanted = BAR * done // total if total else BAR
            self._out.write("#" * (wanted - drawn))
            if wanted == BAR > drawn:
                self._out.write(f"] {total:,} rows\n")
            self._out.flush()
            drawn = max(drawn, wanted)

        return progress

    def total(self) -> str:
        """The time since the beginning."""
        return seconds(time.perf_counter() - self._began)

    def _line(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


def _takes(out: TextIO, text: str) -> bool:
    try:
        text.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def until(condition: Callable[[], T | None], timeout: float, what: str, pause: float = 0.005) -> T:
    """What the condition answers, once that is true.

    Args:
        condition: asked again and again.
        timeout: in seconds.
        what: is waited for; for the message.
        pause: between two looks, in seconds.

    Raises:
        DemoError: it was not true in time.
    """
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise DemoError(f"Not within {timeout:.0f} s: {what}")
        time.sleep(pause)
    return answer


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that at least so many percent of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def median_time(run: Callable[[], object], times: int) -> float:
    """The median duration of a call, in seconds."""
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def seconds(duration: float) -> str:
    """A duration as one reads it: ``0.35 ms``, ``12 ms``, ``1.4 s``."""
    if duration < 0.00995:
        return f"{duration * 1000:.2f} ms"
    return f"{duration * 1000:.0f} ms" if duration < 0.9995 else f"{duration:.1f} s"
