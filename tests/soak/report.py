"""What the soak prints: a line at each quiet point, and the figures at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Report:
    """Counts, and prints."""

    began: float = field(default_factory=time.monotonic)
    compared: int = 0
    quiet_points: int = 0
    late: int = 0
    copied: int = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def say(self, line: str) -> None:
        print(f"{self.seconds:7.1f} s  {line}", flush=True)

    def end(self, changes: int, faults: Mapping[str, int], lags: Path, more: str) -> None:
        """The figures."""
        self.say(
            f"{changes:,} changes, {self.quiet_points} quiet points, {self.compared:,} stored "
            "products compared: 0 stale, 0 lost, 0 applied twice"
        )
        for kind, count in sorted(faults.items()):
            self.say(f"  survived: {kind:20} {count:5}")
        found = sorted(map(float, lags.read_text().split())) if lags.exists() else []
        if found:
            p50, p99 = found[len(found) // 2], found[int(len(found) * 0.99)]
            self.say(
                f"  lag: p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, faults included "
                f"({len(found):,} measured)"
            )
        self.say(f"  {more}")
