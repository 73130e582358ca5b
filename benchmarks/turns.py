"""Contestants in several processes, which run when they are told, one at a time.

Some peers patch the ORM and some settings hold for a whole process, so each has its own. The
driver (``Process``, ``in_turns``) asks each for a figure in turn; the other side is this module run
as a program with the names of the modules whose ``contestants()`` it holds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any, TextIO

# How long one figure takes, in seconds: the median of as many bursts as fit, and a burst is as many
# runs as fit into two milliseconds. What else the machine does then falls into few of them.
SLICE = float(os.environ.get("KCK_BENCH_SLICE", "0.05"))
BURST = 0.002
LEAST = 3


class Process:
    """A process that holds contestants.

    Args:
        process: the program below, just started.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        said = self._read()
        self.tasks: dict[str, list[str]] = said["tasks"]
        self.skipped: dict[str, str] = said["skipped"]

    def measure(self, task: str, name: str) -> float:
        """Seconds of one run."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([task, name]) + "\n")
        self._process.stdin.flush()
        return float(self._read())

    def memory(self) -> int:
        """What it has allocated now, in KiB, mapped files left out; 0 where nobody says."""
        try:
            text = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return 0
        return int(text.partition("RssAnon:")[2].split()[0])

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the benchmark ended with {self._process.wait()}")
        return json.loads(line)


@contextmanager
def processes(plans: Sequence[tuple[Mapping[str, str], Sequence[str]]]) -> Iterator[list[Process]]:
    """Start a process for each environment and its modules; all are ready when this returns."""
    with ExitStack() as stack:
        yield [stack.enter_context(_process(*plan)) for plan in plans]


@contextmanager
def _process(environment: Mapping[str, str], modules: Sequence[str]) -> Iterator[Process]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.turns", *modules],
        cwd=Path(__file__).parent.parent,
        env=os.environ | dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Process(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def in_turns(held: Sequence[Process], task: str, rounds: int) -> dict[str, list[float]]:
    """Each contestant's figures of a task, whichever process it is in; see ``figures.in_turn``."""
    from benchmarks.figures import in_turn

    runs: dict[str, Callable[[], float]] = {}
    for process in held:
        for name in process.tasks.get(task, []):
            runs[name] = _run(process, task, name)
    return in_turn(runs, rounds)


def _run(process: Process, task: str, name: str) -> Callable[[], float]:
    return lambda: process.measure(task, name)


def main(modules: Sequence[str]) -> None:
    """Hold the contestants of these modules, and run what is asked for."""
    # What a peer prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import django

    django.setup()
    from benchmarks.peers import ONE, PKS, Contestants, NotHereError

    found: Contestants = {}
    skipped = {}
    for name in modules:
        try:
            given = import_module(name).contestants()
        except (ImportError, NotHereError) as error:
            skipped[name.rpartition(".")[2]] = str(error)
            continue
        for task, runs in given.items():
            found.setdefault(task, {}).update(runs)
    times = {
        (task, name): _times(run, len(PKS) if task == ONE else 1)
        for task in found
        for name, run in found[task].items()
    }
    _say(answers, {"tasks": {task: list(runs) for task, runs in found.items()}, "skipped": skipped})
    for line in sys.stdin:
        task, name = json.loads(line)
        run, count = found[task][name], times[task, name]
        _say(answers, _figure(run, count))


def _figure(run: Callable[[], object], count: int) -> float:
    """Seconds of one run: the median of bursts of so many."""
    end = time.perf_counter() + SLICE
    bursts: list[float] = []
    while len(bursts) < LEAST or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(count):
            run()
        bursts.append((time.perf_counter() - start) / count)
    return median(bursts)


def _times(run: Callable[[], object], first: int) -> int:
    """How many runs fit into a burst; before that each key is read once, which fills caches."""
    for _ in range(first):
        run()
    took = []
    for _ in range(5):
        start = time.perf_counter()
        run()
        took.append(time.perf_counter() - start)
    return max(1, min(20_000, int(BURST / min(took))))


def _say(answers: TextIO, what: object) -> None:
    answers.write(json.dumps(what) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
