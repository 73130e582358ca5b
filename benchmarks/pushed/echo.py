"""How a callback tells that it ran: a line in a file, with the time by the host's clock."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

Heard = dict[tuple[int, int], float]


def echo(pk: int, number: int) -> None:
    """Tell it, where anybody wants to know."""
    if path := os.environ.get("KCK_BENCH_ECHO"):
        os.write(_file(path), f"{pk} {number} {time.monotonic_ns()}\n".encode())


@cache
def _file(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def heard(path: str) -> Heard:
    """When each (pk, number) was first told, in seconds."""
    found: Heard = {}
    text = Path(path).read_text() if Path(path).exists() else ""
    for line in text.splitlines():
        parts = line.split()
        if len(parts) == 3:  # the last line may be half written
            found.setdefault((int(parts[0]), int(parts[1])), int(parts[2]) / 1e9)
    return found
