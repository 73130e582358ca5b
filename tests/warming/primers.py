"""What they do is told by the environment, so that a process which a test starts can be told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from kck_publish import Cache, Depends, IntegerParameter, Primer
from tests.catalog.models import Item

FOLDER = Path(os.environ.get("WARMING_FOLDER", "."))
MEMBERS = int(os.environ.get("WARMING_MEMBERS", "60"))


def _note(name: str, n: int) -> None:
    with (FOLDER / "computed").open("a") as file:
        file.write(f"{name} {n} {os.getpid()} {time.monotonic()}\n")


class Below(Primer):
    key = "warming_below"
    parameters = (IntegerParameter("n"),)
    depends_on = (Depends(Item, n="group"),)

    def compute(self, n: int) -> int:
        _note("below", n)
        if str(n) in os.environ.get("WARMING_KILLS", "").split(","):
            os.kill(os.getpid(), signal.SIGKILL)
        if str(n) in os.environ.get("WARMING_FAILS", "").split(","):
            raise ValueError("as told")
        if str(n) in os.environ.get("WARMING_HOLDS", "").split(","):
            (FOLDER / "held").touch()
            time.sleep(60)
        time.sleep(float(os.environ.get("WARMING_SECONDS", "0")))
        return n * n

    def domain(self) -> Iterator[Mapping[str, int]]:
        return ({"n": n} for n in range(MEMBERS))


class Above(Primer):
    key = "warming_above"
    parameters = (IntegerParameter("n"),)
    depends_on = (Depends("warming_below", n="n"),)

    def compute(self, n: int) -> int:
        _note("above", n)
        return 1 + int(Cache.get_instance().get(f"warming_below/{n}"))

    def domain(self) -> Iterator[Mapping[str, int]]:
        return ({"n": n} for n in range(MEMBERS))
